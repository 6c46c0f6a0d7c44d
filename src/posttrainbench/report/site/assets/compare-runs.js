// Compares two runs item by item: the same test and sentences as `posttrainbench.scoring.item_comparison`.
"use strict";
(() => {
  const root = document.getElementById("run-comparison");
  if (!root) return;
  const byId = (id) => document.getElementById(id);
  const { element, percent } = ptb;
  const SHOWN = 25, STORED = 50, TIE = 1e-9, ALPHA = 0.05; // the items' file has nine decimals
  const [PLACE, AGENT, MODEL, BENCHMARK, SEED, RUN, STATUS, ENGINE] = [0, 1, 2, 3, 4, 5, 6, 7];
  const number = (value) => value.toLocaleString("en");
  const [chooseA, chooseB, sentence, result] = ["run-a", "run-b", "run-sentence", "run-result"].map(byId);
  let runs = [], queue = Promise.resolve(), turn = 0;

  // Files of different runs hand over their data by the same key, so that they are loaded one after the other.
  function load(src, key) {
    const loaded = queue.then(() => ptb.load(src, key));
    queue = loaded.catch(() => null);
    return loaded;
  }

  ptb.load("compare/runs.js", "runs").then((list) => {
    runs = list;
    fromHash();
    addEventListener("hashchange", fromHash);
  }, () => { say("The list of runs is missing. Keep the directory “compare” beside this page."); });
  chooseA.addEventListener("change", () => { fill(chooseA.value, chooseB.value); toHash(); compare(); });
  chooseB.addEventListener("change", () => { toHash(); compare(); });
  byId("run-swap").addEventListener("click", () => { fill(chooseB.value, chooseA.value); toHash(); compare(); });

  function say(text) {
    turn += 1; // a comparison that still loads its items is outdated
    root.hidden = false;
    result.hidden = true;
    sentence.textContent = text;
    root.dataset.ready = "yes";
  }

  const find = (place) => runs.find((run) => run[PLACE] === place);

  function fromHash() {
    const state = new URLSearchParams(location.hash.slice(1));
    fill(state.get("a"), state.get("b"));
    const lost = ["a", "b"].filter((name) => state.get(name) && !find(state.get(name)));
    if (lost.length) say("A run in the URL is not on this site, not finished, or has no scores of single items. Choose other runs.");
    else compare();
  }

  function toHash() { history.replaceState(null, "", `#${new URLSearchParams({ a: chooseA.value, b: chooseB.value })}`); }

  // Fills both lists. B offers runs on the benchmark of A, those of the same cell first.
  function fill(wantedA, wantedB) {
    const a = find(wantedA) || runs[0];
    const rest = runs.filter((run) => run !== a && run[BENCHMARK] === a[BENCHMARK]);
    const [own, model, others] = ["Same agent and base model", "Other agents, same base model", "Other base models"].map((label) => [label, []]);
    for (const run of rest) (run[MODEL] !== a[MODEL] ? others : run[AGENT] !== a[AGENT] ? model : own)[1].push(run);
    const groups = new Map();
    for (const run of runs) groups.set(run[BENCHMARK], [...(groups.get(run[BENCHMARK]) || []), run]);
    options(chooseA, [...groups], a[PLACE]);
    options(chooseB, [own, model, others], wantedB);
  }

  function options(select, groups, chosen) {
    select.textContent = "";
    for (const [label, list] of groups) {
      if (!list.length) continue;
      const group = element("optgroup");
      group.label = label;
      for (const run of list) {
        const option = element("option", "", `${run[AGENT]}, ${run[MODEL]}, seed ${run[SEED]}`);
        option.value = run[PLACE];
        group.append(option);
      }
      select.append(group);
    }
    if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
  }

  async function compare() {
    const own = turn += 1;
    const pair = [find(chooseA.value), find(chooseB.value)];
    root.dataset.ready = "";
    if (!pair[1]) { say("There is no other run on this benchmark with scores of single items."); return; }
    let items;
    try {
      items = await Promise.all(pair.map((run) => load(`${run[PLACE]}/items/index.js`, "items")));
    } catch { if (own === turn) say("The items of a run are missing. Keep the directory “runs” beside this page."); return; }
    if (own !== turn) return; // another pair was chosen meanwhile
    const places = items.map((list) => new Map(list.map(([name], position) => [name, position])));
    if (places.some((names, side) => names.size !== items[side].length)) { say("Two items of a run have the same id, so the runs cannot be compared."); return; }
    const rows = [...places[0].keys()].filter((name) => places[1].has(name)).sort().map((name) => {
      const at = places.map((names) => names.get(name));
      const [scoreA, scoreB] = at.map((position, side) => items[side][position][1]);
      return { name, at, scores: [scoreA, scoreB], gist: items[0][at[0]][3] || items[1][at[1]][3], better: Math.abs(scoreA - scoreB) <= TIE ? 0 : scoreA > scoreB ? 1 : -1 };
    });
    if (!rows.length) { say("The runs have no test item in common; they were evaluated on different items."); return; }
    show(pair, rows, items[0].length + items[1].length - 2 * rows.length);
  }

  // Returns the two-sided p of the exact sign test.
  function signTest(wins, losses) {
    if (wins === losses) return 1;
    const count = wins + losses, logs = [0];
    for (let i = 1; i <= count; i += 1) logs.push(logs[i - 1] + Math.log(i));
    let sum = 0;
    for (let k = 0; k <= Math.min(wins, losses); k += 1) sum += Math.exp(logs[count] - logs[k] - logs[count - k] - count * Math.LN2);
    return Math.min(1, 2 * sum);
  }

  function conclusion(count, a, b) {
    const counts = `Of ${number(count)} items, A has the higher score on ${number(a)}, B on ${number(b)}, and ${number(count - a - b)} are equal.`;
    const p = signTest(a, b), shown = p < 0.0001 ? "p < 0.0001" : `p = ${p.toFixed(4)}`;
    if (p > ALPHA) return `${counts} The items do not show which submission is better (exact paired test, ${shown}).`;
    return `${counts} So ${a > b ? "A" : "B"} is better on items like these (exact paired test, ${shown}).`;
  }

  function remarks(pair, left) {
    const notes = ["The test compares two submissions, not two agents; compare agents over several seeds."];
    pair.forEach((run, side) => {
      const name = "AB"[side];
      if (run[STATUS] === "base_fallback") notes.push(`${name} was reset to the base model's score; its submission's own items are compared.`);
      else if (run[STATUS] !== "scored") notes.push(`${name} does not count (${run[STATUS].replaceAll("_", " ")}).`);
    });
    const [a, b] = pair;
    if (a[MODEL] !== b[MODEL]) notes.push(`The base models differ: ${a[MODEL]} and ${b[MODEL]}.`);
    if (a[ENGINE] !== b[ENGINE]) notes.push(`They were evaluated with different engines: ${a[ENGINE]} and ${b[ENGINE]}.`);
    if (left) notes.push(`${number(left)} items that only one of the runs has are left out.`);
    return notes;
  }

  function show(pair, rows, left) {
    const better = [1, -1].map((side) => rows.filter((row) => row.better === side).length);
    say(conclusion(rows.length, ...better));
    byId("run-notes").replaceChildren(...remarks(pair, left).map((note) => element("li", "", note)));
    byId("run-facts").replaceChildren(...pair.map((run, side) => {
      const mean = rows.reduce((sum, row) => sum + row.scores[side], 0) / rows.length;
      const group = element("div"), value = element("dd"), link = element("a", "", run[RUN]);
      link.href = `${run[PLACE]}/index.html`;
      value.append(`${(100 * mean).toFixed(1)} in `, link);
      group.append(element("dt", "", `${"AB"[side]}, ${run[AGENT]}, seed ${run[SEED]}`), value);
      return group;
    }));
    result.hidden = false;
    list(pair, rows);
  }

  let chosen = [], at = 0, refresh = () => null, select = () => null;
  function list(pair, rows) {
    const prefix = ptb.commonPrefix(rows.map((row) => row.name));
    const kinds = {
      differ: (row) => row.better !== 0, a: (row) => row.better > 0, b: (row) => row.better < 0, all: () => true,
      neither: (row) => row.scores.every((score) => score < 1),
    };
    select = () => {
      const text = byId("item-query").value.trim().toLowerCase(), matches = kinds[byId("item-filter").value];
      chosen = rows.filter((row) => matches(row) && (!text || row.name.toLowerCase().includes(text) || row.gist.toLowerCase().includes(text)));
      at = 0;
      refresh();
    };
    refresh = () => {
      const last = Math.min(at + SHOWN, chosen.length);
      byId("item-rows").replaceChildren(...chosen.slice(at, last).flatMap((row) => line(pair, row, prefix)));
      byId("item-status").textContent = `${number(chosen.length)} of ${number(rows.length)} items`;
      byId("item-page").textContent = chosen.length ? `${at + 1} to ${last}` : "no item";
      byId("item-before").disabled = at === 0;
      byId("item-after").disabled = last >= chosen.length;
    };
    select();
  }

  function line(pair, row, prefix) {
    const shown = element("tr"), detail = element("tr", "detail"), head = element("th", "left"), cell = element("td", "left");
    const button = element("button", "item-name", row.name.slice(prefix.length));
    head.scope = "row";
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    head.append(button);
    shown.append(head, element("td", "left gist", row.gist), ...row.scores.map((score, side) => element("td", row.better === (side ? 1 : -1) ? "score wrong" : "score", percent(score))));
    detail.hidden = true;
    cell.colSpan = 4;
    detail.append(cell);
    button.addEventListener("click", async () => {
      detail.hidden = !detail.hidden;
      button.setAttribute("aria-expanded", String(!detail.hidden));
      if (detail.hidden || cell.childElementCount) return;
      const entries = await Promise.all(pair.map(async (run, side) => {
        const page = Math.floor(row.at[side] / STORED);
        try { return (await load(`${run[PLACE]}/items/${page}.js`, `items-${page}`))[row.at[side] % STORED]; } catch { return null; }
      }));
      if (cell.childElementCount) return;
      const known = entries.find(Boolean);
      if (!known) { cell.append(element("p", "absent", "The logs of the evaluations do not show this item.")); return; }
      const answers = entries.map((entry, side) => [`Answer of ${"AB"[side]}`, entry ? entry[2] : [["", null, "(not in the evaluation's log)"]]]);
      cell.append(ptb.itemTexts(known[0], known[1], answers, root.dataset.viewer));
    });
    return [shown, detail];
  }

  let timer = 0;
  byId("item-query").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => select(), 150); });
  byId("item-filter").addEventListener("change", () => select());
  byId("item-before").addEventListener("click", () => { at = Math.max(0, at - SHOWN); refresh(); });
  byId("item-after").addEventListener("click", () => { at += SHOWN; refresh(); });
})();
