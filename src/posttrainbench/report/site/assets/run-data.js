// Loads data files. They are scripts, because a page that was opened from disk cannot fetch JSON.
"use strict";
window.ptb = (() => {
  const arrived = new Map();
  return {
    // Called by the data files.
    data(key, value) { arrived.set(key, value); },

    // Resolves to the value of a data file.
    load(src, key) {
      return new Promise((resolve, reject) => {
        const element = document.createElement("script");
        element.src = src;
        element.onload = () => {
          element.remove();
          if (!arrived.has(key)) return reject(new Error(`${src} has no data`));
          const value = arrived.get(key);
          arrived.delete(key);
          return resolve(value);
        };
        element.onerror = () => { element.remove(); reject(new Error(`${src} cannot be loaded`)); };
        document.head.append(element);
      });
    },

    // Returns an element with classes and text. Everything on the pages of runs is built by this.
    element(name, classes = "", text = null) {
      const element = document.createElement(name);
      if (classes) element.className = classes;
      if (text !== null) element.textContent = text;
      return element;
    },

    // Appends a text; each occurrence of the query, in lower case, is marked.
    append(parent, text, query) {
      if (!query) { parent.append(text); return; }
      const lower = text.toLowerCase();
      if (lower.length !== text.length) { parent.append(text); return; }
      let from = 0, marks = 0;
      for (let at = lower.indexOf(query); at >= 0 && marks < 200; at = lower.indexOf(query, from), marks += 1) {
        parent.append(text.slice(from, at), ptb.element("mark", "", text.slice(at, at + query.length)));
        from = at + query.length;
      }
      parent.append(text.slice(from));
    },

    // Returns a score as text.
    percent(score) { return score === null ? "–" : (100 * score).toFixed(score > 0 && score < 1 ? 1 : 0); },

    // Returns the directories that all ids of items begin with.
    commonPrefix(names) {
      const parts = names.length > 1 ? names[0].split("/").slice(0, -1) : [];
      while (parts.length && !names.every((name) => name.startsWith(`${parts.join("/")}/`))) parts.pop();
      return parts.length ? `${parts.join("/")}/` : "";
    },

    // Returns the texts of an item. `answered` has pairs of a title and the answers; `viewer` is the page of Inspect's
    // viewer, or empty. It cannot be opened from disk.
    itemTexts(question, target, answered, viewer = "") {
      const { element, percent } = ptb;
      const box = element("dl", "item-texts");
      const add = (title, text, link = "") => {
        const group = element("div"), value = element("dd"), head = element("dt", "", title);
        if (link) {
          const inside = element("a", "in-viewer", "in Inspect's viewer");
          inside.href = link;
          head.append(" ", inside);
        }
        const shown = element("pre", "", text || "(empty)");
        shown.tabIndex = 0; // long texts scroll, also by keys
        shown.setAttribute("role", "group");
        shown.setAttribute("aria-label", title);
        value.append(shown);
        group.append(head, value);
        box.append(group);
      };
      add("Question", question);
      for (const [title, answers] of answered) {
        for (const [seed, score, answer, place] of answers) {
          const which = `${title}${answers.length > 1 ? `, evaluation seed ${seed}` : ""}`;
          const link = viewer && place && location.protocol !== "file:" ? viewer + place : "";
          add(`${which}${typeof score === "number" ? `, score ${percent(score)}` : ""}`, answer, link);
        }
      }
      add("Target", target);
      return box;
    },
  };
})();
