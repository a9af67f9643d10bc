// Keys: "/" searches, "?" lists them, "g" and a letter goes to a page. Light or dark by one switch.
(() => {
  const THEME = "mainspring.theme";
  const root = document.documentElement;
  const chosen = localStorage.getItem(THEME);
  if (chosen) root.dataset.theme = chosen;

  document.addEventListener("click", (event) => {
    const list = document.querySelector("#keys");
    if (event.target.closest("[data-keys]")) list.showModal();
    if (event.target.closest("[data-close]")) list.close();
    if (!event.target.closest("[data-theme-switch]")) return;
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem(THEME, root.dataset.theme);
  });

  let went = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (event.key === "/") { document.querySelector("#search")?.focus(); event.preventDefault(); }
    else if (event.key === "?") document.querySelector("#keys")?.showModal();
    else if (event.key === "g") went = Date.now();
    else if (Date.now() - went < 1500) document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  });
  for (const one of document.querySelectorAll("[data-theme-switch], [data-keys]")) one.hidden = false;

  // On a phone the bar is moved sideways: the page that one is on is to be seen in it.
  const bar = document.querySelector(".bar-line > nav"), here = bar?.querySelector("[aria-current]");
  if (here) bar.scrollLeft = here.offsetLeft - bar.offsetLeft - (bar.clientWidth - here.offsetWidth) / 2;
})();
