/* What a reader should come to by themselves, and the code of figures, is shown when they ask for it. */

function startsWith(element, label) {
  return element.matches("p") && element.textContent.trimStart().startsWith(label);
}

function isPrediction(element) {
  return [...element.querySelectorAll("strong")].some((part) => part.textContent === "Predict first.");
}

/* The output of the cell behind a prediction, and what to notice in it. */
function outcomeOf(question) {
  const outcome = [];
  let noticed = false;
  for (let next = question.nextElementSibling; next; next = next.nextElementSibling) {
    if (next.matches("section, .sphx-glr-footer") || isPrediction(next)) break;
    if (startsWith(next, "In three sentences.") || startsWith(next, "Exercise.")) break;
    if (next.hidden) continue; // the code of a figure, which has a button of its own
    noticed ||= startsWith(next, "Notice.");
    if (noticed || next.matches("img, .sphx-glr-script-out, .sphx-glr-single-img, figure")) outcome.push(next);
  }
  return outcome;
}

/* The paragraphs of the answer to an exercise, from its first one to the end of the lesson. */
function answerFrom(first) {
  const answer = [];
  for (let next = first; next && !next.matches(".sphx-glr-footer, .seealso"); next = next.nextElementSibling) {
    answer.push(next);
  }
  return answer;
}

function fold(parts, label) {
  if (!parts.length) return;
  const button = document.createElement("button");
  button.className = "reveal";
  button.textContent = label;
  const reveal = () => {
    parts.forEach((part) => (part.hidden = false));
    button.remove();
  };
  parts.forEach((part) => (part.hidden = true));
  button.addEventListener("click", reveal);
  window.addEventListener("beforeprint", reveal);
  parts[0].before(button);
}

document.addEventListener("DOMContentLoaded", () => {
  const paragraphs = [...document.querySelectorAll("article p")];
  const drawings = [...document.querySelectorAll("article div.highlight-Python")];
  drawings.filter((code) => code.textContent.startsWith("figure, ")).forEach((code) => fold([code], "Show the code of the figure"));
  paragraphs.filter(isPrediction).forEach((question) => fold(outcomeOf(question), "Show what came out"));
  paragraphs.filter((p) => startsWith(p, "Answer.")).forEach((p) => fold(answerFrom(p), "Show an answer"));
});
