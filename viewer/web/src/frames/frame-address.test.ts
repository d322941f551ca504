import { describe, expect, it } from "vitest";
import { frameAddress, widthFor } from "./frame-address";

describe("the address of a picture", () => {
  it("names what is wanted and nothing else", () => {
    expect(frameAddress({ detectionId: 7 })).toBe("/api/v1/frames/7?");
    expect(frameAddress({ detectionId: 7, sequenceId: 3, width: 640 })).toBe(
      "/api/v1/frames/7?sequence_id=3&width=640",
    );
  });

  it("is the same for parts that the server takes for the same", () => {
    const one = frameAddress({ detectionId: 7, crop: [0.1, 0.2, 0.30000000000000004, 1] });
    expect(one).toBe(frameAddress({ detectionId: 7, crop: [0.10001, 0.2, 0.3, 1] }));
    expect(new URLSearchParams(one.split("?")[1]).get("crop")).toBe("0.1,0.2,0.3,1");
  });
});

describe("the width of a picture", () => {
  it.each([
    [1, 4000, 160],
    [160, 4000, 160], // exactly as wide as it is shown
    [161, 4000, 320],
    [1280, 4000, 1280],
    [1281, 4000, undefined], // no picture is made that wide: the frame itself
    [700, 1280, undefined], // the frame itself is that picture
    [600, 1280, 640],
    [600, null, 640], // nobody knows how wide the frame is
  ])("for %i pixels of the screen and a frame of %s is %s", (pixels, own, width) => {
    expect(widthFor(pixels, own)).toBe(width);
  });
});
