/* What follows a prediction, its output and what to notice, is shown when the reader asks for it. */

function isPrediction(element) {
  return [...element.querySelectorAll("strong")].some((part) => part.textContent === "Predict first.");
}

function answerTo(question) {
  const answer = [];
  let noticed = false;
  for (let next = question.nextElementSibling; next; next = next.nextElementSibling) {
    const text = next.textContent.trimStart();
    if (next.matches("section, .sphx-glr-footer") || isPrediction(next) || text.startsWith("Exercise.")) break;
    noticed ||= text.startsWith("Notice.");
    if (noticed || next.matches("img, .sphx-glr-script-out, .sphx-glr-single-img, figure")) answer.push(next);
  }
  return answer;
}

document.addEventListener("DOMContentLoaded", () => {
  for (const question of [...document.querySelectorAll("article p")].filter(isPrediction)) {
    const answer = answerTo(question);
    if (!answer.length) continue;
    const button = document.createElement("button");
    button.className = "reveal";
    button.textContent = "Show what came out";
    const reveal = () => {
      answer.forEach((part) => (part.hidden = false));
      button.remove();
    };
    answer.forEach((part) => (part.hidden = true));
    button.addEventListener("click", reveal);
    window.addEventListener("beforeprint", reveal);
    answer[0].before(button);
  }
});
