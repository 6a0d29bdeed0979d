"use strict";
(() => {
  const all = () => Array.from(document.querySelectorAll("details"));
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all().filter((section) => !section.open);
    for (const section of closed) section.open = true;
  });
  addEventListener("afterprint", () => {
    for (const section of closed) section.open = false;
  });
  const reveal = () => {
    let id = "";
    try {
      id = decodeURIComponent(location.hash.slice(1));
    } catch {
      return;
    }
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
  const make = (tag, text, settings = {}) => Object.assign(document.createElement(tag), { textContent: text }, settings);
  const line = (cells, header, tag) => {
    const row = document.createElement("tr");
    cells.forEach((text, k) => {
      const heads = tag === "th" || k === 0;
      const cell = make(heads ? "th" : "td", text, { className: header[k][1] });
      if (heads) cell.scope = tag === "th" ? "col" : "row";
      row.append(cell);
    });
    return row;
  };
  const drawTable = ([caption, header, body, notes], name) => {
    const holder = make("div", "", { className: "scroll", tabIndex: 0, id: `table-${name}-shown` });
    holder.setAttribute("role", "region");
    const table = document.createElement("table");
    const head = document.createElement("thead");
    const rows = document.createElement("tbody");
    table.append(make("caption", caption, { className: "caption" }), head, rows);
    head.append(line(header.map(([words]) => words), header, "th"));
    rows.append(...body.map((cells) => line(cells, header, "td")));
    holder.append(table, ...notes.map((note) => make("p", note, { className: "small" })));
    holder.setAttribute("aria-label", caption);
    return holder;
  };
  const tables = JSON.parse(document.getElementById("tables").textContent);
  for (const button of document.querySelectorAll("button[data-shows]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const name = button.dataset.shows;
      const shown = document.getElementById(`table-${name}-shown`);
      button.setAttribute("aria-expanded", String(!shown));
      if (shown) shown.remove();
      else button.parentElement.append(drawTable(tables[name], name));
    });
  }
  for (const button of document.querySelectorAll("button[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copies);
      const words = button.textContent;
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => (button.textContent = words), 3000);
    });
  }
})();
