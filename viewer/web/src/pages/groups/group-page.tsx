export default function GroupPage({ groupId }: { groupId: number }) {
  return <p>{groupId}</p>;
}
