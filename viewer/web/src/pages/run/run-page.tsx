export default function RunPage() {
  return <p />;
}
