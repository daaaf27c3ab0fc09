/** The page: from the answers inside the file, or from the local server, into the element the shell leaves. */
import { render } from "preact";
import { App } from "./App";
import { embeddedSource, httpSource } from "./source";
import type { Embedded, Source } from "./types";
import "./page.css";

function source(): Source {
  const held = document.getElementById("congruence-data")?.textContent;
  if (held) return embeddedSource(JSON.parse(held) as Embedded);
  return httpSource(new URLSearchParams(location.search).get("token") ?? "");
}

const root = document.getElementById("congruence-app");
if (root) {
  const found = source();
  found.overview().then(
    (overview) => {
      document.documentElement.classList.add("live");
      render(<App source={found} overview={overview} />, root);
    },
    (error: unknown) => {
      root.textContent = error instanceof Error ? error.message : String(error);
    },
  );
}
