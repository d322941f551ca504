export default function SequencePage({ sequenceId }: { sequenceId: number }) {
  return <p>{sequenceId}</p>;
}
