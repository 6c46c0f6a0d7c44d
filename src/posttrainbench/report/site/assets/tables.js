// Filters, sorting and unfolding of tables. The state is in the fragment of the URL, so that a view can be shared.
"use strict";
(() => {
  const form = document.querySelector("form.controls");
  if (!form) return;
  form.hidden = false;
  const rows = [...document.querySelectorAll("[data-row]")];
  const groups = [...document.querySelectorAll("[data-group]")];
  const count = form.querySelector(".count");
  const fields = [...form.elements].filter((field) => field.name);
  let state = new URLSearchParams(location.hash.slice(1));

  const value = (field) => (field.type === "checkbox" ? (field.checked ? field.value : "") : field.value);

  function fromHash() {
    state = new URLSearchParams(location.hash.slice(1));
    for (const field of fields) {
      const wanted = state.get(field.name);
      if (field.type === "checkbox") field.checked = wanted === field.value;
      else if (wanted !== null) field.value = wanted;
      else if (field.tagName === "SELECT") field.selectedIndex = 0;
      else field.value = "";
    }
    apply();
  }

  function toHash() {
    for (const field of fields) {
      const first = field.tagName === "SELECT" ? field.options[0].value : "";
      if (value(field) === first) state.delete(field.name);
      else state.set(field.name, value(field));
    }
    const text = state.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  function apply() {
    const wanted = fields.map((field) => [field.name, value(field)]).filter(([, text]) => text !== "");
    const table = wanted.find(([name]) => name === "table");
    for (const group of groups) group.hidden = table !== undefined && group.dataset.group !== table[1];
    let shown = 0, total = 0;
    for (const row of rows) {
      const fits = wanted.every(([name, text]) => {
        if (name === "q") return text.toLowerCase().split(/\s+/).every((word) => row.dataset.q.includes(word));
        if (name === "table") return row.dataset.table === undefined || row.dataset.table === text;
        return row.dataset[name] === undefined || row.dataset[name] === text;
      });
      row.hidden = !fits;
      if (row.closest("[data-sortable]") && !row.closest("[hidden][data-group]")) { total += 1; shown += fits; }
    }
    if (count) count.textContent = shown === total ? "" : `${shown} of ${total} shown`;
    sort();
  }

  function sort() {
    const [key, direction] = (state.get("sort") || "").split(".");
    for (const button of document.querySelectorAll("button.sort")) {
      const own = button.dataset.sort === key;
      button.closest("th").setAttribute("aria-sort", own ? (direction === "up" ? "ascending" : "descending") : "none");
    }
    if (!key || !/^[a-z]+$/.test(key)) return;
    const name = `s${key[0].toUpperCase()}${key.slice(1)}`;
    for (const table of document.querySelectorAll("[data-sortable]")) {
      const own = rows.filter((row) => table.contains(row) && row.dataset[name] !== undefined);
      const numeric = own.every((row) => row.dataset[name] === "" || !Number.isNaN(Number(row.dataset[name])));
      const sign = direction === "up" ? 1 : -1;
      own.sort((a, b) => {
        const [x, y] = [a.dataset[name], b.dataset[name]];
        if (x === "" || y === "") return (x === "") - (y === ""); // unknown values last
        return sign * (numeric ? Number(x) - Number(y) : x < y ? -1 : x > y ? 1 : 0);
      });
      if (own.length === 0) continue;
      const parent = own[0].parentNode;
      const end = parent.querySelector(":scope > .baselines");
      for (const row of own) parent.insertBefore(row, end);
    }
  }

  function setFold(body, open) {
    body.classList.toggle("folded", !open);
    body.querySelector("button.fold").setAttribute("aria-expanded", String(open));
  }

  for (const body of document.querySelectorAll("tbody.agent")) {
    const button = body.querySelector("button.fold");
    setFold(body, (state.getAll("open")).includes(body.dataset.agent));
    button.addEventListener("click", () => {
      setFold(body, body.classList.contains("folded"));
      const open = [...document.querySelectorAll("tbody.agent:not(.folded)")].map((each) => each.dataset.agent);
      state.delete("open");
      for (const agent of new Set(open)) state.append("open", agent);
      toHash();
    });
  }
  for (const button of document.querySelectorAll("button.sort")) {
    button.addEventListener("click", () => {
      const [key, direction] = (state.get("sort") || "").split(".");
      const first = ["agent", "rank", "model", "benchmark", "seed", "dollars", "hours", "tokens"].includes(button.dataset.sort) ? "up" : "down";
      const next = key !== button.dataset.sort ? first : direction === "up" ? "down" : "up";
      state.set("sort", `${button.dataset.sort}.${next}`);
      toHash();
      sort();
    });
  }
  form.addEventListener("input", () => { apply(); toHash(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", fromHash);
  fromHash();
})();
