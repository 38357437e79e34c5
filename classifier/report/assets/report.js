"use strict";
(async () => {
  const element = (id) => document.getElementById(id);
  if (typeof DecompressionStream === "undefined") {
    element("count").textContent = "This browser is too old to unpack the works; they are in predictions.csv.";
    return;
  }
  // Base 85 of RFC 1924 with , . / for < > &: five characters are four bytes, n + 1 at the end are n.
  const digits = new Uint8Array(128);
  Array.from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%/()*+-;,=.?@^_`{|}~")
    .forEach((digit, value) => { digits[digit.charCodeAt(0)] = value; });
  function bytesOf(text) {
    const bytes = new Uint8Array(Math.floor((text.length * 4) / 5));
    for (let from = 0, to = 0; from < text.length; from += 5, to += 4) {
      let number = 0;
      for (let i = from; i < from + 5; i += 1) {
        number = number * 85 + (i < text.length ? digits[text.charCodeAt(i)] : 84);
      }
      for (let i = 0; i < 4 && to + i < bytes.length; i += 1) bytes[to + i] = (number >>> (24 - 8 * i)) & 255;
    }
    return bytes;
  }
  async function unpack(text) {
    const bytes = bytesOf(text);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }
  const data = await unpack(JSON.parse(element("data").textContent));
  const at = Object.fromEntries(data.fields.map((name, index) => [name, index]));
  const rows = data.rows;
  const unseen = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
  const mention = /\[\[([\s\S]+?)\]\](?!\])/g;
  const shown = (text) => String(text).replace(unseen, "\ufffd");
  const words = (value) => value.replaceAll("_", " ");
  const unmarked = (passage) => passage.replace(mention, "$1");
  const sourceName = (value) => (value === "context" ? "passage" : value);

  // Text reaches the page through textContent only, each piece in its own bdi.
  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  const text = (value) => {
    const node = make("bdi");
    node.textContent = shown(value);
    return node;
  };
  const tag = (kind, value) => make("span", { class: `tag ${kind} v-${value}` }, words(value));
  const link = (address, caption) =>
    /^https?:\/\//.test(address) ? make("a", { href: address, rel: "noreferrer noopener" }, caption) : text(caption);

  // ---- packed blocks -------------------------------------------------------------------------------------------
  const opened = new Map();
  // The packed blocks stand after this script, so that the page is drawn before they are read.
  const whole = new Promise((resolve) => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
    else resolve();
  });
  let packed;
  async function block(number) {
    await whole;
    packed ??= JSON.parse(element("packed").textContent);
    if (!opened.has(number)) opened.set(number, await unpack(packed[number]));
    return opened.get(number);
  }
  const jsonForm = data.forms.findIndex((form) => form.label === "JSON");
  const record = async (index) => JSON.parse((await block(Math.floor(index / data.block)))[index % data.block][jsonForm]);

  async function download(number) {
    const form = data.forms[number];
    const parts = [form.start];
    for (let first = 0; first < rows.length; first += data.block) {
      const pieces = (await block(first / data.block)).map((work) => work[number]);
      parts.push((first ? form.separator : "") + pieces.join(form.separator));
    }
    parts.push(form.end);
    const address = URL.createObjectURL(new Blob(parts, { type: form.type }));
    const anchor = make("a", { href: address, download: form.file });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    element("saved").textContent = `${form.file}: ${rows.length.toLocaleString("en")} works`;
  }

  // ---- one entry, opened -----------------------------------------------------------------------------------------
  function passage(source, evidence) {
    // Offsets count characters; JavaScript strings count UTF-16 units, so the text is taken apart first.
    const characters = Array.from(source);
    const spans = [];
    for (const match of source.matchAll(mention)) {
      const start = Array.from(source.slice(0, match.index)).length;
      spans.push([start, start + Array.from(match[0]).length, "mention"]);
    }
    if (evidence) spans.push([evidence.start, evidence.end, "evidence"]);
    const cuts = [...new Set([0, characters.length, ...spans.flatMap(([start, end]) => [start, end])])].sort((a, b) => a - b);
    const node = make("p", { class: "passage", dir: "auto" });
    for (let i = 0; i + 1 < cuts.length; i++) {
      const inside = spans.filter(([start, end]) => start <= cuts[i] && cuts[i + 1] <= end).map(([, , kind]) => kind);
      let piece = document.createTextNode(shown(characters.slice(cuts[i], cuts[i + 1]).join("")));
      if (inside.includes("mention")) piece = make("span", { class: "mention" }, piece);
      if (inside.includes("evidence")) piece = make("mark", {}, piece);
      node.append(piece);
    }
    return node;
  }

  function details({ prediction, citing }) {
    const label = prediction.label;
    const evidence = label?.evidence;
    const box = make("div", { class: "details" });
    const add = (heading, ...nodes) => box.append(make("h3", {}, heading), ...nodes);
    (citing.contexts ?? []).forEach((context, index) => {
      const source = [context.before, context.text, context.after].filter(Boolean).join(" ");
      const marked = evidence?.source === "context" && evidence.context_index === index ? evidence : null;
      const heading = make("span", {}, `Passage ${index + 1}`);
      if (context.section) heading.append(", ", text(context.section));
      if (context.shared > 1) heading.append(`, cited together with ${context.shared - 1} more`);
      add(heading, passage(source, marked));
    });
    for (const kind of ["abstract", "summary", "title"]) {
      const marked = evidence?.source === kind ? evidence : null;
      if (citing[kind] && (marked || (kind !== "title" && !(citing.contexts ?? []).length)))
        add(kind[0].toUpperCase() + kind.slice(1), passage(citing[kind], marked));
    }
    if (label?.rationale) add("Why, in the judge's words", make("p", { class: "passage" }, text(label.rationale)));
    if (prediction.failure) add(prediction.status === "failed" ? "Why there is no label" : "Why the label is held back", make("p", { class: "passage" }, text(prediction.failure)));
    if (prediction.review_reason) add("Why a person should look", make("p", { class: "passage" }, text(prediction.review_reason)));
    const facts = [["Confidence", label ? label.confidence.toFixed(3) : "–"], ["Judge", `${prediction.judge} ${prediction.model}`], ["Id", prediction.citing_id]];
    if (prediction.prompt) facts.splice(2, 0, ["Prompt", prediction.prompt]);
    if (citing.venue) facts.push(["Venue", citing.venue]);
    add("Decision", make("dl", { class: "pairs" }, ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, text(value))))));
    return box;
  }

  // ---- the table -------------------------------------------------------------------------------------------------
  function describe(cell, row) {
    const button = make("button", { type: "button", class: "open", "aria-expanded": "false" }, text(row[at.title] || row[at.id]));
    cell.append(button);
    const meta = make("p", { class: "meta" });
    const parts = [];
    if (row[at.authors]) parts.push(text(row[at.authors]));
    if (row[at.url]) parts.push(link(row[at.url], new URL(row[at.url]).hostname.replace(/^www\./, "")));
    if (row[at.status] !== "labelled") parts.push(make("span", { class: "tag how" }, row[at.status]));
    if (row[at.review]) parts.push(make("span", { class: "tag how" }, "needs review"));
    if (row[at.representative] & 1) parts.push(make("span", { class: "tag how" }, "representative"));
    if (row[at.representative] & 2) parts.push(make("span", { class: "tag how" }, "hub page"));
    parts.forEach((part, index) => meta.append(index ? " · " : "", part));
    if (parts.length) cell.append(meta);
    if (row[at.evidence]) cell.append(make("p", { class: "snippet", dir: "auto" }, shown(unmarked(row[at.evidence]))));
  }
  const rank = (list, value) => (value === "" ? list.length : list.indexOf(value));
  const columns = [
    { title: "Work", key: "title", sort: (row) => row[at.title].toLocaleLowerCase(), fill: describe },
    { title: "Role", key: "role", sort: (row) => rank(data.order.role, row[at.role]),
      fill: (cell, row) => row[at.role] && cell.append(tag("role", row[at.role])) },
    { title: "Polarity", key: "polarity", sort: (row) => rank(data.order.polarity, row[at.polarity]),
      fill: (cell, row) => row[at.polarity] && cell.append(tag("polarity", row[at.polarity])) },
    { title: "Basis", key: "basis", sort: (row) => row[at.basis], fill: (cell, row) => row[at.basis] !== "none" && cell.append(row[at.basis]) },
    { title: "Read from", key: "source", sort: (row) => rank(data.order.source, row[at.source]), fill: (cell, row) => cell.append(sourceName(row[at.source])) },
    { title: "Year", key: "year", sort: (row) => row[at.year] ?? 0, fill: (cell, row) => cell.append(String(row[at.year] ?? "")), number: true },
    { title: "Confidence", key: "confidence", sort: (row) => row[at.confidence] ?? -1,
      fill: (cell, row) => row[at.confidence] !== null && cell.append(row[at.confidence].toFixed(2)), number: true },
  ];
  const table = new DataTable("#works", {
    data: rows,
    columns: columns.map((column, index) => ({
      title: column.title,
      // A cell's text goes in by createdCell, as nodes; DataTables itself gets an empty string to display.
      data: (row, type) => (type === "display" || type === "set" ? "" : column.sort(row)),
      createdCell: (cell, value, row) => {
        if (index) cell.dataset.label = column.title.toLowerCase();
        column.fill(cell, row);
      },
      className: column.number ? "num" : "",
      type: column.key === "title" || column.key === "basis" ? "string" : "num",
      searchable: false,
    })),
    order: [],
    autoWidth: false,
    deferRender: true,
    orderClasses: false,
    pageLength: 25,
    lengthMenu: [10, 25, 50, 100],
    layout: { topStart: null, topEnd: null, bottomStart: "pageLength", bottomEnd: "paging" },
    language: { emptyTable: "This hub lists no citing works.", zeroRecords: "No work fits these filters.", lengthMenu: "_MENU_ works on a page" },
  });

  // On paper there is no paging: all works that fit the filters are printed, of very many those on the screen.
  const mostPrinted = 500;
  let length = null;
  addEventListener("beforeprint", () => {
    const fitting = table.rows({ search: "applied" }).count();
    length = table.page.len();
    if (fitting <= mostPrinted) table.page.len(-1).draw(false);
    element("printed").textContent =
      `${table.rows({ page: "current" }).count()} works are printed, of ${fitting} that fit the filters and ${rows.length} in all.`;
  });
  addEventListener("afterprint", () => {
    table.page.len(length ?? 25).draw(false);
    element("printed").textContent = "";
  });

  async function toggle(index, open = null) {
    const row = table.row(index);
    const button = row.node().querySelector(".open");
    const wanted = open ?? !row.child.isShown();
    if (wanted && !row.child()) {
      const content = details(await record(index));
      row.child(content, "details");
    }
    if (wanted) row.child.show();
    else row.child.hide();
    button.setAttribute("aria-expanded", String(wanted));
  }
  element("works").addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (button) toggle(table.row(button.closest("tr")).index());
  });

  // ---- filters, in the fragment -------------------------------------------------------------------------------------
  const form = element("filters");
  const fields = ["q", "role", "polarity", "basis", "source", "year", "status", "claim", "review"];
  const haystack = [];
  const hay = (index) =>
    (haystack[index] ??= [at.title, at.authors, at.evidence, at.rationale, at.id].map((i) => rows[index][i]).join("\n").toLocaleLowerCase());
  let state = new URLSearchParams();

  function options() {
    const present = (key) => new Set(rows.flatMap((row) => row[at[key]]));
    const years = [...present("year")].filter((year) => year !== null).sort((a, b) => b - a);
    const lists = {
      role: data.order.role.filter((value) => present("role").has(value) || present("otherRoles").has(value)),
      polarity: data.order.polarity.filter((value) => present("polarity").has(value)),
      basis: ["evidence", "assessment", "none"].filter((value) => present("basis").has(value)),
      source: data.order.source.filter((value) => present("source").has(value)),
      year: years.map(String).concat(years.length && present("year").has(null) ? ["unknown"] : []),
      status: data.order.status.filter((value) => present("status").has(value)),
      claim: Object.keys(data.claims),
    };
    for (const [name, values] of Object.entries(lists)) {
      for (const value of values) {
        const caption = name === "claim" ? data.claims[value] : name === "source" ? sourceName(value) : words(value);
        const option = make("option", { value });
        option.textContent = shown(caption);
        form.elements[name].append(option);
      }
      form.elements[name].closest("label").hidden = values.length < 2 && name !== "status" && name !== "role" && name !== "polarity";
    }
  }

  function fits(index) {
    const row = rows[index];
    const wanted = (name) => state.get(name) ?? "";
    const is = (name, actual) => wanted(name) === "" || wanted(name) === actual;
    // A count in the summaries is of primary roles and of labelled works; a role filter finds further roles as well.
    return (
      (wanted("role") === "" || row[at.role] === wanted("role") || row[at.otherRoles].includes(wanted("role"))) &&
      is("polarity", row[at.polarity]) && is("basis", row[at.basis]) && is("source", row[at.source]) &&
      is("year", row[at.year] === null ? "unknown" : String(row[at.year])) && is("status", row[at.status]) &&
      (wanted("claim") === "" || row[at.claims].includes(wanted("claim"))) &&
      (wanted("review") === "" || Boolean(row[at.review])) &&
      (wanted("representative") === "" || (row[at.representative] & Number(wanted("representative"))) !== 0) &&
      (wanted("work") === "" || row[at.id] === wanted("work")) &&
      wanted("q").toLocaleLowerCase().split(/\s+/).every((word) => hay(index).includes(word))
    );
  }
  table.search.fixed("filters", (_, row, index) => fits(index));

  function show() {
    const [column, direction] = (state.get("sort") ?? "").split(".");
    const index = columns.findIndex((one) => one.key === column);
    table.order(index < 0 ? [] : [[index, direction === "desc" ? "desc" : "asc"]]).draw();
    const found = table.rows({ search: "applied" }).count();
    element("count").textContent = `${found.toLocaleString("en")} of ${rows.length.toLocaleString("en")} works`;
  }
  function write() {
    const fragment = state.toString();
    history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
  }
  function fromForm() {
    const next = new URLSearchParams();
    for (const name of fields) {
      const field = form.elements[name];
      const value = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value.trim();
      if (value) next.set(name, value);
    }
    if (state.get("sort")) next.set("sort", state.get("sort"));
    state = next;
    write();
    show();
  }
  async function fromFragment(jump) {
    const fragment = location.hash.slice(1);
    if (fragment && !fragment.includes("=")) return; // a section of the page, not a filter
    state = new URLSearchParams(fragment);
    for (const name of fields) {
      const field = form.elements[name];
      if (field.type === "checkbox") field.checked = state.get(name) === "1";
      else field.value = state.get(name) ?? "";
    }
    show();
    if (jump && fragment) element("explorer").scrollIntoView();
    if (state.get("work")) {
      const index = rows.findIndex((row) => row[at.id] === state.get("work"));
      if (index >= 0) await toggle(index, true);
      if (jump && index >= 0) table.row(index).node().querySelector(".open").focus({ preventScroll: true });
    }
  }
  options();
  let typing;
  form.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(fromForm, event.target.type === "search" ? 120 : 0);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    state = new URLSearchParams();
    setTimeout(fromForm, 0);
  });
  table.on("order", () => {
    const [first] = table.order();
    const sort = first && first[1] ? `${columns[first[0]].key}.${first[1]}` : "";
    if ((state.get("sort") ?? "") === sort) return;
    if (sort) state.set("sort", sort);
    else state.delete("sort");
    write();
  });
  window.addEventListener("hashchange", () => fromFragment(true));
  document.querySelectorAll("[data-form]").forEach((button) => button.addEventListener("click", () => download(Number(button.dataset.form))));
  if (location.hash.includes("=")) await fromFragment(true);
  else show();
  performance.mark("ready");
  document.documentElement.dataset.ready = "1";
})();
