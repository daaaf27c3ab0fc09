/** Which points lie inside a drawn line. */

export type Point = [number, number];

/** Even-odd rule: a ray from the point crosses the closed outline an odd number of times. */
export function inside(point: Point, outline: Point[]): boolean {
  const [x, y] = point;
  let odd = false;
  outline.forEach(([x1, y1], i) => {
    const [x2, y2] = outline[(i + 1) % outline.length]!;
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
  });
  return odd;
}
