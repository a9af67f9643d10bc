// Command lines are copied by a press.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try { await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent); button.textContent = "copied"; }
  catch { getSelection().selectAllChildren(button.parentElement.querySelector("code")); button.textContent = "selected"; }
  setTimeout(() => { button.textContent = "copy"; }, 2000);
});
