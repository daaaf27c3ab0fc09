/** Colours of the heat maps: lightness alone carries the value, on a light page and on a dark one. */

const LIGHT = ["#f6f8e6", "#d4ecc8", "#9ad7c3", "#55b9c6", "#2f8fbf", "#2a61a3", "#1c2f6b"];
const DARK = ["#1d2733", "#1f3d59", "#235c82", "#2b7fa3", "#4fa9ae", "#95d2b3", "#e6f2c0"];

type Rgb = [number, number, number];

/** Backgrounds and inks of a cell as custom properties, `place` from 0 to 1. */
export function cellColours(place: number): Record<string, string> {
  const [light, dark] = [mix(LIGHT, place), mix(DARK, place)];
  return { "--bl": hex(light), "--il": ink(light), "--bd": hex(dark), "--id": ink(dark) };
}

/** The colour bar of a page theme. */
export const bars = { "--barl": bar(LIGHT), "--bard": bar(DARK) };

/** Black or white, whichever contrasts more: at least 4.5 to 1 on any colour. */
export function ink(colour: Rgb): string {
  const light = luminance(colour);
  return (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) ? "#000000" : "#ffffff";
}

export function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The colour at `place` (clipped) between equally spaced anchors. */
export function mix(anchors: string[], place: number): Rgb {
  const where = Math.min(1, Math.max(0, place)) * (anchors.length - 1);
  const first = Math.min(Math.floor(where), anchors.length - 2);
  const [one, other] = [rgb(anchors[first]!), rgb(anchors[first + 1]!)];
  return one.map((channel, i) => Math.round(channel + (where - first) * (other[i]! - channel))) as Rgb;
}

const rgb = (text: string): Rgb => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) as Rgb;
const hex = (colour: Rgb): string => `#${colour.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
function bar(anchors: string[]): string {
  return `linear-gradient(to right,${anchors.join(",")})`;
}
