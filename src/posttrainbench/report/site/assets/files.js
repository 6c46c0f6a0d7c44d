// The files of a run: a tree, and the preview of one file.
"use strict";
(() => {
  const root = document.getElementById("files");
  const byId = (id) => document.getElementById(id);
  const { element } = ptb;
  const folder = root.dataset.folder;
  const FOUND = 300, OPEN_BELOW = 30;

  ptb.load(`${folder}/index.js`, "files").then(start, () => {
    byId("file-status").textContent = "The data files are missing. Keep the directory “files” beside this page.";
  });

  function size(bytes) {
    const units = ["bytes", "kB", "MB", "GB", "TB"];
    let unit = 0, value = bytes;
    while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
    return `${unit ? value.toPrecision(3) : value} ${units[unit]}`;
  }

  function start(files) {
    const tree = byId("file-tree"), query = byId("file-query"), status = byId("file-status");
    let shown = 0;

    function link(number, text) {
      const [, bytes, reason] = files[number];
      const anchor = element("a", reason ? "file without" : "file");
      anchor.href = `#file-${number}`;
      anchor.dataset.number = number;
      anchor.append(element("span", "", text), element("small", "", size(bytes)));
      return anchor;
    }

    function build() {
      const top = { folders: new Map(), files: [] };
      files.forEach(([name], number) => {
        const parts = name.split("/");
        let node = top;
        for (const part of parts.slice(0, -1)) {
          if (!node.folders.has(part)) node.folders.set(part, { folders: new Map(), files: [] });
          node = node.folders.get(part);
        }
        node.files.push([parts[parts.length - 1], number]);
      });
      tree.textContent = "";
      tree.append(...contents(top, 0));
      status.textContent = `${files.length.toLocaleString("en")} files`;
      mark();
    }

    function contents(node, depth) {
      const parts = [];
      for (const [name, below] of node.folders) {
        const details = element("details"), inside = element("div", "inside");
        details.append(element("summary", "", `${name}/`), inside);
        let built = false;
        const ensure = () => { if (!built) { built = true; inside.append(...contents(below, depth + 1)); mark(); } };
        details.addEventListener("toggle", ensure);
        if (depth === 0 && (name === "workspace" || files.length < OPEN_BELOW)) { details.open = true; ensure(); }
        parts.push(details);
      }
      for (const [name, number] of node.files) parts.push(link(number, name));
      return parts;
    }

    function find() {
      const text = query.value.trim().toLowerCase();
      if (!text) { build(); return; }
      const found = [];
      files.forEach(([name], number) => { if (name.toLowerCase().includes(text)) found.push(number); });
      tree.textContent = "";
      tree.append(...found.slice(0, FOUND).map((number) => link(number, files[number][0])));
      status.textContent = found.length > FOUND ? `${found.length} files, ${FOUND} shown` : `${found.length} of ${files.length} files`;
      mark();
    }

    function mark() {
      for (const anchor of tree.querySelectorAll("a.file")) {
        if (Number(anchor.dataset.number) === shown) anchor.setAttribute("aria-current", "true"); else anchor.removeAttribute("aria-current");
      }
    }

    async function show() {
      const match = /^#file-(\d+)(?::(\d+))?$/.exec(location.hash);
      if (!match || !files[match[1]]) return;
      shown = Number(match[1]);
      const [name, bytes, reason] = files[shown];
      const lines = byId("file-lines"), note = byId("file-note"), wanted = Number(match[2] || 0);
      byId("file-name").textContent = name;
      lines.textContent = "";
      mark();
      if (reason) { note.textContent = `${size(bytes)}. No preview: ${reason}.`; return; }
      let chunks;
      try { chunks = await ptb.load(`${folder}/${shown}.js`, `file-${shown}`); } catch { note.textContent = "The preview's data file is missing."; return; }
      const cut = chunks.some(([first]) => first === 0);
      note.textContent = `${size(bytes)}${cut ? ". Not the whole file is shown." : "."}`;
      let last = 0, target = null;
      for (const [first, text] of chunks) {
        if (first === 0) { lines.append(element("p", "gap", "More lines are not shown.")); continue; }
        if (first > last + 1) lines.append(element("p", "gap", `Lines ${last + 1} to ${first - 1} are not shown.`));
        const all = text.split("\n");
        const fragment = document.createDocumentFragment();
        all.forEach((line, offset) => {
          const row = element("div", "line");
          row.append(element("span", "n", String(first + offset)), element("code", "", line));
          if (first + offset === wanted) { row.classList.add("target"); target = row; }
          fragment.append(row);
        });
        lines.append(fragment);
        last = first + all.length - 1;
      }
      if (target) target.scrollIntoView({ block: "center" });
      else if (wanted) note.textContent += ` Line ${wanted} is not in the preview.`;
    }

    query.addEventListener("input", find);
    addEventListener("hashchange", show);
    build();
    if (!location.hash && files.length) {
      const first = files.findIndex(([, , reason]) => !reason);
      if (first >= 0) history.replaceState(null, "", `#file-${first}`);
    }
    show();
    root.dataset.ready = "yes";
  }
})();
