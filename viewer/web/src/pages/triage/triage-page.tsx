export default function TriagePage() {
  return <p />;
}
