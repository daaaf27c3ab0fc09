// The bundle that the wheel carries: one script and one style sheet, the same bytes from the same lock file.
import { build } from "esbuild";

await build({
  entryPoints: { page: "src/main.tsx" },
  outdir: "../src/congruence/assets/page",
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  charset: "ascii",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
});
