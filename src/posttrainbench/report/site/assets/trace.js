// The trace viewer. An index describes all steps; their texts come in pages that are loaded when they are near the
// visible part, and dropped when they are far from it.
"use strict";
(() => {
  const root = document.getElementById("trace");
  const folder = root.dataset.folder;
  const byId = (id) => document.getElementById(id);
  const list = byId("steps"), status = byId("status"), map = byId("map");
  const FAILED = 1, EVALUATED = 2;
  const SOURCES = ["user", "agent", "system"];
  const KEPT_PAGES = 24, NEAR = "1500px 0px", LONG_LINES = 24, PROMPT_LINES = 8, SEARCHED_AT_ONCE = 6, SETTLING_FRAMES = 12;
  const GISTS = ["command", "cmd", "file_path", "path", "filePath", "pattern", "query", "url", "description", "prompt"];
  const { element } = ptb;

  ptb.load(`${folder}/index.js`, "index").then(start, () => {
    status.textContent = "The data files of this trace are missing. Keep the directory “trace” beside this page.";
  });

  function start(index) {
    const total = index.thread.length;
    const positions = new Map();
    const texts = new Map(); // page -> steps
    const loading = new Map(); // page -> promise
    const sections = new Map(); // page -> element
    const folded = new Set(); // subagents whose steps are hidden
    const opened = new Set(); // positions whose calls are open
    let shown = [], query = "", found = null, allOpen = false, current = 0, selected = -1, jumps = 0, search = 0;
    const scores = new Map(index.scores.map(([position, score, items]) => [position, { score, items }]));
    for (let i = 0; i < total; i += 1) positions.set(name(i), i);

    function name(i) { return index.thread[i] ? `step-${index.thread[i]}.${index.number[i]}` : `step-${index.number[i]}`; }
    function pageOf(i) {
      let low = 0, high = index.pages.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (index.pages[middle] <= i) low = middle; else high = middle - 1;
      }
      return low;
    }

    // --- data ---

    function page(number) {
      if (texts.has(number)) return Promise.resolve(texts.get(number));
      if (!loading.has(number)) {
        loading.set(number, ptb.load(`${folder}/${number}.js`, `page-${number}`).then(
          (steps) => { texts.set(number, steps); loading.delete(number); return steps; },
          (error) => { loading.delete(number); throw error; },
        ));
      }
      return loading.get(number);
    }

    function forget() {
      if (texts.size <= KEPT_PAGES) return;
      const here = pageOf(current);
      for (const number of [...texts.keys()].sort((a, b) => Math.abs(b - here) - Math.abs(a - here))) {
        if (texts.size <= KEPT_PAGES) break;
        const section = sections.get(number);
        if (section && section.dataset.filled) empty(section);
        texts.delete(number);
      }
    }

    function textsOf(step) {
      const all = [step.message, step.reasoning, step.event, step.model];
      for (const call of step.calls || []) {
        all.push(call.name);
        for (const [key, value] of call.arguments) all.push(key, value);
        for (const result of call.results || []) all.push(result.text);
      }
      for (const result of step.results || []) all.push(result.text);
      return all;
    }

    // --- filters ---

    const tool = byId("tool"), source = byId("source"), only = byId("only"), box = byId("query");
    const counts = index.tools.map(() => 0);
    for (const called of index.called) for (const one of called) counts[one] += 1;
    index.tools.forEach((text, number) => {
      const option = element("option", "", `${text} (${counts[number]})`);
      option.value = number;
      tool.append(option);
    });
    if (!index.tools.length) tool.disabled = true;

    function matches(i) {
      if (tool.value !== "" && !index.called[i].includes(Number(tool.value))) return false;
      if (source.value === "sub" ? !index.thread[i] : source.value !== "" && index.source[i] !== Number(source.value)) return false;
      if (only.value !== "" && !(index.flags[i] & Number(only.value))) return false;
      if (found && !found.has(i)) return false;
      return true;
    }

    function filter() {
      const filtered = tool.value !== "" || source.value !== "" || only.value !== "" || found;
      shown = [];
      for (let i = 0; i < total; i += 1) {
        if (filtered ? matches(i) : !(folded.has(index.thread[i]) && index.number[i] > 1)) shown.push(i);
      }
      rebuild();
      const count = filtered ? `${shown.length.toLocaleString("en")} of ${total.toLocaleString("en")} steps` : `${total.toLocaleString("en")} steps`;
      status.textContent = shown.length ? count : `No step matches; there are ${total.toLocaleString("en")} without filters`;
    }

    async function find() {
      const wanted = box.value.trim().toLowerCase();
      if (wanted === query) return;
      const own = search += 1;
      query = wanted;
      if (!wanted) { found = null; filter(); return; }
      const hits = new Set();
      let done = 0, next = 0;
      const work = async () => {
        while (next < index.pages.length && own === search) {
          const number = next;
          next += 1;
          const kept = texts.has(number);
          const steps = await page(number);
          steps.forEach((step, offset) => {
            if (textsOf(step).some((text) => text && text.toLowerCase().includes(wanted))) hits.add(index.pages[number] + offset);
          });
          if (!kept && texts.size > KEPT_PAGES) texts.delete(number);
          done += 1;
          if (done % 20 === 0 && own === search) status.textContent = `Searching, ${Math.round(100 * done / index.pages.length)}%`;
        }
      };
      try {
        await Promise.all(Array.from({ length: SEARCHED_AT_ONCE }, work));
      } catch { if (own === search) status.textContent = "Some data files of this trace are missing."; return; }
      if (own !== search) return;
      found = hits;
      filter();
      if (shown.length) scrollTo({ top: list.offsetTop - root.querySelector(".tools").offsetHeight - 20 });
    }

    // --- the list ---

    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) fill(entry.target);
    }, { rootMargin: NEAR });

    function rebuild() {
      near.disconnect();
      sections.clear();
      list.textContent = "";
      let section = null, last = -1;
      const fragment = document.createDocumentFragment();
      for (const i of shown) {
        const number = pageOf(i);
        if (number !== last) {
          section = element("section", "page");
          section.dataset.page = number;
          section.steps = [];
          sections.set(number, section);
          fragment.append(section);
          last = number;
        }
        section.steps.push(i);
      }
      for (const one of sections.values()) { one.style.height = `${one.steps.reduce((sum, i) => sum + estimate(i), 0)}px`; near.observe(one); }
      list.append(fragment);
      draw();
    }

    function estimate(i) {
      const lines = Math.min(index.lines[i], index.source[i] === 0 ? PROMPT_LINES + 2 : LONG_LINES);
      return 62 + 24 * lines + 38 * index.called[i].length + (index.thread[i] && index.number[i] === 1 ? 44 : 0);
    }

    async function fill(section) {
      if (section.dataset.filled) return;
      const number = Number(section.dataset.page);
      let steps;
      try { steps = await page(number); } catch { section.textContent = "The data file of these steps is missing."; return; }
      if (section.dataset.filled || !section.isConnected) return;
      section.dataset.filled = "yes";
      const fragment = document.createDocumentFragment();
      for (const i of section.steps) fragment.append(...render(i, steps[i - index.pages[number]]));
      section.textContent = "";
      section.append(fragment);
      section.style.height = "";
      forget();
    }

    function empty(section) {
      section.style.height = `${section.offsetHeight}px`;
      section.textContent = "";
      delete section.dataset.filled;
      near.unobserve(section);
      near.observe(section);
    }

    function clock(seconds) {
      const whole = Math.max(0, Math.round(seconds));
      const two = (number) => String(number).padStart(2, "0");
      return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
    }

    function render(i, step) {
      const parts = [], depth = Math.min(index.depth[i], 3);
      if (index.thread[i] && index.number[i] === 1) parts.push(banner(i, depth));
      if (folded.has(index.thread[i]) && index.number[i] === 1) return parts;
      const kind = SOURCES[index.source[i]];
      const failed = index.flags[i] & FAILED, evaluated = index.flags[i] & EVALUATED;
      const article = element("article", `step ${kind} depth-${depth}${failed ? " failed" : ""}${evaluated ? " evaluated" : ""}`);
      article.id = name(i);
      article.tabIndex = -1;
      const head = element("header");
      const link = element("a", "number", `#${name(i).slice(5)}`);
      link.href = `#${name(i)}`;
      link.setAttribute("aria-label", `Step ${name(i).slice(5)}, permanent link`);
      head.append(link, element("span", "source", kind));
      if (index.seconds[i] !== null) head.append(element("time", "", clock(index.seconds[i])));
      if (step.model) head.append(element("span", "model", step.model));
      const used = usage(i);
      if (used) head.append(element("span", "usage", used));
      if (failed) head.append(element("span", "tag failed", "failed call"));
      if (evaluated) {
        const score = scores.get(i);
        head.append(element("span", "tag evaluated", score ? `evaluation ${(100 * score.score).toFixed(1)} on ${score.items} items` : "evaluation"));
      }
      article.append(head);
      if (step.reasoning) article.append(fold("thought", "Thinking", size(step.reasoning), () => block(step.reasoning, "thinking"), has(step.reasoning)));
      if (step.message) article.append(message(step.message, kind));
      for (const call of step.calls || []) article.append(callOf(call, i));
      for (const result of step.results || []) {
        article.append(fold(`call${result.failed ? " failed" : ""}`, "Result of an earlier call", outcome(result), () => block(result.text, "output"), has(result.text)));
      }
      if (step.event) article.append(fold("thought", "Event", size(step.event), () => block(step.event, "output"), has(step.event)));
      parts.push(article);
      return parts;
    }

    function has(...all) { return Boolean(query && found) && all.some((text) => text && text.toLowerCase().includes(query)); }
    function size(text) { return `${text.length.toLocaleString("en")} characters`; }
    function short(number) { return number >= 1000 ? `${(number / 1000).toPrecision(3)}k` : String(number); }

    function usage(i) {
      const counted = [index.prompt[i], index.completion[i]].filter((number) => number !== null).map(short);
      const parts = counted.length ? [`${counted.join(" → ")} tokens`] : [];
      if (index.cost[i]) parts.push(`$${index.cost[i].toFixed(4)}`);
      return parts.join(" · ");
    }

    function outcome(result) {
      const lines = result.text ? result.text.split("\n").length : 0;
      const parts = [];
      if (result.failed) parts.push("code" in result ? `exit code ${result.code}` : "failed");
      parts.push(lines ? `${lines.toLocaleString("en")} line${lines === 1 ? "" : "s"}` : "no output");
      return parts.join(" · ");
    }

    function block(text, classes) {
      const pre = element("pre", classes);
      ptb.append(pre, text, found ? query : "");
      pre.tabIndex = 0;
      return pre;
    }

    function message(text, kind) {
      const box = element("div", `message ${kind}`);
      ptb.append(box, text, found ? query : "");
      const lines = text.split("\n").reduce((sum, line) => sum + 1 + Math.floor(line.length / 110), 0);
      if (lines <= (kind === "user" ? PROMPT_LINES : LONG_LINES) || has(text)) return box;
      box.classList.add("cut");
      const wrapper = element("div");
      const more = element("button", "more", `Show all ${lines.toLocaleString("en")} lines`);
      more.type = "button";
      more.addEventListener("click", () => { box.classList.remove("cut"); more.remove(); });
      wrapper.append(box, more);
      return wrapper;
    }

    // A fold whose content is built when it is opened.
    function fold(classes, title, note, build, open, gist = "") {
      const details = element("details", classes);
      const summary = element("summary");
      summary.append(element("b", "", title));
      if (gist) { const code = element("code"); ptb.append(code, gist, found ? query : ""); summary.append(code); }
      summary.append(element("span", "note", note));
      details.append(summary);
      let built = false;
      const ensure = () => { if (!built) { built = true; details.append(build()); } };
      details.addEventListener("toggle", () => { if (details.open) ensure(); });
      if (open) { ensure(); details.open = true; }
      return details;
    }

    function callOf(call, i) {
      const results = call.results || [];
      const named = new Map(call.arguments);
      const gist = (GISTS.map((key) => named.get(key)).find(Boolean) || (call.arguments[0] || ["", ""])[1]).trim().split("\n")[0].slice(0, 300);
      const build = () => {
        const body = element("div", "body");
        for (const [key, value] of call.arguments) {
          body.append(element("p", "key", key), block(value, "input"));
        }
        for (const result of results) {
          body.append(element("p", `key${result.failed ? " failed" : ""}`, `result, ${outcome(result)}`), block(result.text, "output"));
        }
        return body;
      };
      const note = results.length ? results.map(outcome).join(", ") : "no result";
      const open = allOpen || opened.has(i) || has(...call.arguments.flat(), ...results.map((result) => result.text));
      return fold(`call${results.some((result) => result.failed) ? " failed" : ""}`, call.name, note, build, open, gist);
    }

    function banner(i, depth) {
      const thread = index.thread[i];
      const line = element("div", `agent-head depth-${depth}`);
      const count = index.thread.reduce((sum, one) => sum + (one === thread), 0);
      const button = element("button", "", folded.has(thread) ? "Unfold" : "Fold");
      button.type = "button";
      button.setAttribute("aria-expanded", String(!folded.has(thread)));
      button.addEventListener("click", () => {
        if (folded.has(thread)) folded.delete(thread); else folded.add(thread);
        filter();
        jump(i);
      });
      line.append(element("b", "", `Subagent ${thread}`), element("span", "", index.threads[thread]), element("span", "note", `${count} step${count === 1 ? "" : "s"}`), button);
      return line;
    }

    // --- moving ---

    async function jump(i, focus = true) {
      selected = i;
      jumps += 1;
      try { await scrollToStep(i, focus); } finally { jumps -= 1; }
    }

    async function scrollToStep(i, focus) {
      if (!shown.includes(i)) {
        tool.value = source.value = only.value = box.value = query = "";
        found = null;
        folded.delete(index.thread[i]);
        filter();
      }
      const number = pageOf(i);
      const section = sections.get(number);
      if (!section) return;
      section.scrollIntoView({ block: "start" });
      await fill(section);
      for (const other of [number - 1, number + 1]) if (sections.has(other)) await fill(sections.get(other));
      if (selected !== i) return; // another jump followed
      const target = byId(name(i));
      for (const old of list.querySelectorAll(".target")) old.classList.remove("target");
      if (!target) return;
      target.classList.add("target");
      if (focus) target.focus({ preventScroll: true });
      // Steps get their real heights when they come near the visible part, so the place may move for some frames.
      for (let frame = 0, last = NaN; frame < SETTLING_FRAMES && selected === i; frame += 1) {
        target.scrollIntoView({ block: "start" });
        await new Promise(requestAnimationFrame);
        const { top } = target.getBoundingClientRect();
        if (frame > 1 && Math.abs(top - last) < 1) break;
        last = top;
      }
      current = i;
      draw();
    }

    function next(direction, wanted) {
      const here = jumps || isOnScreen(selected) ? selected : current;
      let at = shown.findIndex((i) => i >= here);
      if (at < 0) at = shown.length - 1;
      if (direction > 0 && shown[at] > here) at -= 1;
      for (let k = at + direction; k >= 0 && k < shown.length; k += direction) {
        if (!wanted || index.flags[shown[k]] & wanted) { go(shown[k]); return; }
      }
      status.textContent = wanted === FAILED ? "No further failed call" : wanted === EVALUATED ? "No further evaluation" : status.textContent;
    }

    function isOnScreen(i) {
      const box = i >= 0 && byId(name(i))?.getBoundingClientRect();
      return Boolean(box) && box.bottom > 0 && box.top < innerHeight;
    }

    function go(i) {
      history.replaceState(null, "", `#${name(i)}`);
      jump(i);
    }

    function fromHash() {
      const wanted = positions.get(decodeURIComponent(location.hash.slice(1)));
      if (wanted !== undefined) jump(wanted);
    }

    function place(text) {
      const wanted = text.trim().replace(/^#?(step-)?/, "");
      if (/^\d+(\.\d+)?$/.test(wanted)) return positions.get(`step-${wanted}`);
      const colons = /^(\d+):(\d\d)(?::(\d\d))?$/.exec(wanted);
      const units = /^(?:(\d+(?:\.\d+)?)h)?\s*(?:(\d+(?:\.\d+)?)m)?\s*(?:(\d+(?:\.\d+)?)s)?$/.exec(wanted);
      let seconds = null;
      if (colons) seconds = colons[3] ? colons[1] * 3600 + colons[2] * 60 + Number(colons[3]) : colons[1] * 60 + Number(colons[2]);
      else if (wanted && units) seconds = (units[1] || 0) * 3600 + (units[2] || 0) * 60 + Number(units[3] || 0);
      if (seconds === null) return undefined;
      let best;
      for (let i = 0; i < total; i += 1) {
        if (!index.thread[i] && index.seconds[i] !== null && (best === undefined || index.seconds[i] <= seconds)) best = i;
      }
      return best;
    }

    // --- the map ---

    const shades = () => {
      const style = getComputedStyle(document.documentElement);
      const color = (variable) => { map.style.color = `var(${variable})`; return getComputedStyle(map).color; };
      void style;
      return { bar: color("--bar-soft"), dim: color("--line"), user: color("--other"), failed: color("--flagged"), evaluated: color("--bar"), window: color("--ink") };
    };

    function draw() {
      const width = map.clientWidth, height = map.clientHeight, scale = devicePixelRatio || 1;
      if (!width) return;
      map.width = width * scale;
      map.height = height * scale;
      const pen = map.getContext("2d");
      pen.scale(scale, scale);
      const color = shades(), step = width / total;
      const visible = new Uint8Array(total);
      for (const i of shown) visible[i] = 1;
      const thick = Math.max(1, step - (step > 3 ? 1 : 0));
      for (let i = 0; i < total; i += 1) {
        const tall = 4 + Math.min(1, Math.log10(10 + index.characters[i]) / 5) * (height - 16);
        pen.fillStyle = visible[i] ? color.bar : color.dim;
        pen.fillRect(i * step, height - 6 - tall, thick, tall);
      }
      for (let i = 0; i < total; i += 1) {
        if (index.source[i] === 0 && !index.thread[i]) { pen.fillStyle = color.user; pen.fillRect(i * step, height - 5, Math.max(2, thick), 5); }
      }
      for (let i = 0; i < total; i += 1) {
        if (index.flags[i] & FAILED) { pen.fillStyle = color.failed; pen.fillRect(i * step, height - 5, Math.max(2, thick), 5); }
        if (index.flags[i] & EVALUATED) { pen.fillStyle = color.evaluated; pen.fillRect(i * step, 0, Math.max(2, thick), 8); }
      }
      const [first, last] = visibleSteps();
      pen.strokeStyle = color.window;
      pen.lineWidth = 1.5;
      pen.strokeRect(Math.max(1, first * step), 1, Math.max(4, (last - first + 1) * step - 1), height - 2);
    }

    // Returns the first and the last visible step.
    function visibleSteps() {
      const top = root.querySelector(".tools").getBoundingClientRect().bottom, bottom = innerHeight;
      let first = null, last = null;
      for (const section of sections.values()) {
        const box = section.getBoundingClientRect();
        if (box.bottom < top || box.top > bottom) { if (first !== null) break; continue; }
        const { steps } = section;
        const at = (y) => steps[Math.max(0, Math.min(steps.length - 1, Math.floor(steps.length * (y - box.top) / Math.max(1, box.height))))];
        if (first === null) first = at(top);
        last = at(bottom);
      }
      return [first ?? 0, last ?? first ?? 0];
    }

    let waiting = false;
    addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; [current] = visibleSteps(); draw(); });
    }, { passive: true });
    addEventListener("resize", draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const pick = (event) => {
      const box = map.getBoundingClientRect();
      const i = Math.max(0, Math.min(total - 1, Math.floor(total * (event.clientX - box.left) / box.width)));
      const nearest = shown.reduce((best, one) => (Math.abs(one - i) < Math.abs(best - i) ? one : best), shown[0]);
      if (nearest !== undefined) jump(nearest, false);
    };
    map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); pick(event); });
    map.addEventListener("pointermove", (event) => { if (event.buttons) pick(event); });

    // --- controls ---

    let timer = 0;
    box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 250); });
    for (const one of [tool, source, only]) one.addEventListener("change", filter);
    byId("open").addEventListener("click", (event) => {
      allOpen = !allOpen;
      event.currentTarget.textContent = allOpen ? "Fold calls" : "Unfold calls";
      for (const details of list.querySelectorAll("details.call")) details.open = allOpen;
    });
    byId("failure").addEventListener("click", () => next(1, FAILED));
    byId("evaluation").addEventListener("click", () => next(1, EVALUATED));
    byId("goto").addEventListener("submit", (event) => {
      event.preventDefault();
      const i = place(byId("place").value);
      if (i === undefined) status.textContent = "No such step or time; write a step such as 12 or a time such as 1h30m or 1:30:00.";
      else go(i);
    });
    addEventListener("hashchange", fromHash);
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
      const action = { j: () => next(1), k: () => next(-1), e: () => next(1, FAILED), v: () => next(1, EVALUATED), "/": () => box.focus() }[event.key];
      if (action) { event.preventDefault(); action(); }
    });
    byId("failure").disabled = !index.flags.some((flags) => flags & FAILED);
    byId("evaluation").disabled = !index.flags.some((flags) => flags & EVALUATED);
    filter();
    fromHash();
    root.dataset.ready = "yes";
  }
})();
