export default function AnnotatePage({ sequenceId }: { sequenceId: number }) {
  return <p>{sequenceId}</p>;
}
