// Keys, and evidence by selecting text. The page works without this file, save for choosing evidence.
"use strict";

const form = document.querySelector(".label-form");
const field = (name) => form.elements.namedItem(name);
const radios = (name) => [...form.querySelectorAll(`input[name="${name}"]`)];
const chosen = (name) => form.querySelector(`input[name="${name}"]:checked`)?.value ?? "";

// ---- evidence: offsets count characters (code points), as the server does; the browser counts UTF-16 units.

const length = (text) => [...text].length;

function textOf(node) {
  const element = node?.nodeType === Node.ELEMENT_NODE ? node : node?.parentElement;
  return element?.closest(".text") ?? null;
}

function rangeAt(element, from, to) {
  // The range of UTF-16 positions [from, to) in an element whose text is split over marks.
  const range = document.createRange();
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let before = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const after = before + node.length;
    if (from >= before && from <= after) range.setStart(node, from - before);
    if (to >= before && to <= after) {
      range.setEnd(node, to - before);
      break;
    }
    before = after;
  }
  return range;
}

function highlight(element, from, to) {
  document.querySelectorAll("mark.chosen").forEach((mark) => mark.classList.remove("chosen"));
  if (!("highlights" in CSS)) return;
  CSS.highlights.delete("evidence");
  if (element) CSS.highlights.set("evidence", new Highlight(rangeAt(element, from, to)));
}

function setEvidence(element, from, to) {
  const whole = element.textContent;
  while (from < to && /\s/.test(whole[from])) from += 1;
  while (to > from && /\s/.test(whole[to - 1])) to -= 1;
  if (from === to) return;
  const text = whole.slice(from, to);
  const start = length(whole.slice(0, from));
  fillEvidence({
    source: element.dataset.source,
    passage: element.dataset.index,
    start: String(start),
    end: String(start + length(text)),
    text,
  });
  highlight(element, from, to);
}

function fillEvidence(values) {
  for (const [part, value] of Object.entries(values)) field(`evidence_${part}`).value = value;
  document.getElementById("evidence-shown").textContent = field("evidence_text").value;
}

function clearEvidence() {
  fillEvidence({ source: "", passage: "", start: "", end: "", text: "" });
  highlight(null);
  document.getSelection()?.removeAllRanges();
}

function selectionToEvidence() {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return;
  const range = selection.getRangeAt(0);
  const element = textOf(range.startContainer);
  if (!element || element !== textOf(range.endContainer)) return;
  const before = document.createRange();
  before.selectNodeContents(element);
  before.setEnd(range.startContainer, range.startOffset);
  const from = before.toString().length;
  setEvidence(element, from, from + range.toString().length);
}

function sentences() {
  const found = [];
  for (const element of document.querySelectorAll(".text")) {
    if (element.closest("details:not([open])")) continue;
    const whole = element.textContent;
    const segments = "Segmenter" in Intl ? [...new Intl.Segmenter("en", { granularity: "sentence" }).segment(whole)] : [{ index: 0, segment: whole }];
    for (const { index, segment } of segments) {
      if (segment.trim()) found.push({ element, from: index, to: index + segment.length });
    }
  }
  return found;
}

let sentence = -1;
function nextSentence(step) {
  const all = sentences();
  if (all.length === 0) return;
  if (sentence < 0) {
    const mentioned = all.findIndex((s) => s.element.textContent.slice(s.from, s.to).includes("[["));
    sentence = Math.max(mentioned, 0);
  } else {
    sentence = (sentence + step + all.length) % all.length;
  }
  const { element, from, to } = all[sentence];
  setEvidence(element, from, to);
  element.scrollIntoView({ block: "nearest" });
}

// ---- the form: number keys fill role, polarity and basis in turn.

const hasStance = () => form.dataset.stances.split(" ").includes(chosen("polarity"));
let stage = "role";

function setStage(name) {
  stage = name;
  for (const one of ["role", "polarity", "basis"]) {
    document.getElementById(`group-${one}`).classList.toggle("current", one === stage);
  }
}

function settle() {
  const needed = hasStance();
  document.getElementById("group-basis").classList.toggle("unneeded", !needed);
  for (const radio of radios("basis")) {
    radio.disabled = !needed;
    if (!needed) radio.checked = false;
  }
  for (const box of radios("other_roles")) {
    box.disabled = box.value === chosen("role");
    if (box.disabled) box.checked = false;
  }
}

function following(name) {
  if (name === "role") return "polarity";
  return hasStance() ? "basis" : "polarity";
}

function choose(name, number) {
  const radio = radios(name)[number - 1];
  if (!radio || radio.disabled) return;
  radio.checked = true;
  settle();
  setStage(following(name));
}

function toggleOther(number) {
  const value = radios("role")[number - 1]?.value;
  const box = radios("other_roles").find((one) => one.value === value);
  if (!box || box.disabled) return;
  box.checked = !box.checked;
  box.closest("details").open = true;
}

function takeOver(button) {
  const values = JSON.parse(button.dataset.fields);
  for (const name of ["role", "polarity", "basis"]) {
    for (const radio of radios(name)) {
      radio.disabled = false;
      radio.checked = radio.value === values[name];
    }
  }
  for (const box of radios("other_roles")) box.checked = values.other_roles.includes(box.value);
  field("shared").checked = values.shared;
  clearEvidence();
  const { source, passage, start, end } = values.evidence;
  fillEvidence(values.evidence);
  const element = [...document.querySelectorAll(".text")].find((one) => one.dataset.source === source && one.dataset.index === passage);
  if (element) {
    const characters = [...element.textContent];
    const units = (count) => characters.slice(0, Number(count)).join("").length;
    highlight(element, units(start), units(end));
  }
  settle();
  setStage(following("polarity"));
}

function submit(action) {
  form.requestSubmit(form.querySelector(`button[value="${action}"]`));
}

const takes = [...document.querySelectorAll(".take")];
const single = {
  r: () => setStage("role"),
  p: () => setStage("polarity"),
  e: () => nextSentence(1),
  E: () => nextSentence(-1),
  x: clearEvidence,
  n: () => field("note").focus(),
  s: () => submit("skip"),
  Enter: () => submit("save"),
  ArrowLeft: () => document.getElementById("previous")?.click(),
  ArrowRight: () => document.getElementById("next")?.click(),
  "?": () => {
    const rules = document.getElementById("rules");
    rules.open = !rules.open;
  },
};

function onKey(event) {
  const inText = event.target.matches("textarea, input[type=text]");
  if (inText && event.key === "Enter" && (event.ctrlKey || event.metaKey)) return submit("save");
  if (inText && event.key === "Escape") return event.target.blur();
  if (inText || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return undefined;
  if (event.key === "u" && keysOn()) return document.getElementById("undo").click();
  if (!form || !keysOn()) return undefined;
  // Enter and arrows keep their own meaning on a control that has one.
  if (event.target.matches("button, a, summary") && event.key === "Enter") return undefined;
  if (event.target.matches("input[type=radio]") && event.key.startsWith("Arrow")) return undefined;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  if (digit) {
    event.preventDefault();
    return event.shiftKey ? toggleOther(Number(digit[1])) : choose(stage, Number(digit[1]));
  }
  const take = takes[event.key.length === 1 ? "abcd".indexOf(event.key) : -1];
  const action = take ? () => takeOver(take) : single[event.key];
  if (!action) return undefined;
  event.preventDefault();
  return action();
}

function keysOn() {
  return document.getElementById("keys")?.checked ?? true;
}

document.addEventListener("keydown", onKey);
if (form) {
  let waiting = 0;
  const settleSelection = () => {
    waiting = 0;
    selectionToEvidence();
  };
  document.addEventListener("selectionchange", () => {
    clearTimeout(waiting);
    waiting = setTimeout(settleSelection, 120);
  });
  const keys = document.getElementById("keys");
  keys.checked = localStorage.getItem("review-keys") !== "off";
  keys.addEventListener("change", () => localStorage.setItem("review-keys", keys.checked ? "on" : "off"));
  for (const button of takes) {
    button.hidden = false;
    button.addEventListener("click", () => takeOver(button));
  }
  document.getElementById("evidence-clear").hidden = false;
  document.getElementById("evidence-clear").addEventListener("click", clearEvidence);
  form.addEventListener("change", (event) => {
    settle();
    if (["role", "polarity"].includes(event.target.name)) setStage(following(event.target.name));
  });
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault();
    if (waiting) settleSelection();
    sent = true;
    return undefined;
  });
  window.addEventListener("pageshow", () => {
    sent = false;
  });
  settle();
  setStage("role");
}
