export default function CameraPage({ cameraId }: { cameraId: number }) {
  return <p>{cameraId}</p>;
}
