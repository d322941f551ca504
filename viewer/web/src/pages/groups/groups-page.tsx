export default function GroupsPage() {
  return <p />;
}
