// Instants as spans from now, kept true; the clock time stands in the title, in the zone of the automation and in that of the viewer.
// One switch shows them all on the clock instead: of the viewer, or UTC.
(() => {
  const KEY = "mainspring.times", WAYS = ["ago", "here", "utc"];
  const NAMES = { ago: "times: relative", here: "times: here", utc: "times: UTC" };
  const PAIRS = [[60, 1, 3600, "ms"], [3600, 60, 86400, "hm"], [86400, 3600, Infinity, "dh"]];
  let way = WAYS.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "ago";

  // How far this machine's clock is from the server's: a phone that is ten minutes slow shall not say "in 10m" of what has happened.
  let skew = 0;
  function compare() {
    const now = Date.parse(document.querySelector("#page").dataset.now);
    skew = Number.isNaN(now) ? 0 : Date.now() - now;
  }

  const pad = (n) => String(n).padStart(2, "0");
  const clock = (d) => `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  const utc = (d) => d.toISOString().slice(0, 19).replace("T", " ") + " UTC";

  // In its two largest units, rounded to the second of them, as the server writes it.
  function span(seconds) {
    if (seconds < 60) return `${seconds}s`;
    const [large, small, , names] = PAIRS.find(([, small, limit]) => Math.round(seconds / small) * small < limit);
    const rounded = Math.round(seconds / small) * small, rest = (rounded % large) / small;
    return `${Math.floor(rounded / large)}${names[0]}${rest ? rest + names[1] : ""}`;
  }

  function ago(d) {
    const ms = Date.now() - skew - d, seconds = Math.round(Math.abs(ms) / 1000);
    if (!seconds) return "now";
    return ms > 0 ? `${span(seconds)} ago` : `in ${span(seconds)}`;
  }

  function show() {
    for (const one of document.querySelectorAll("time[data-when]")) {
      const at = new Date(one.dateTime);
      const text = way === "ago" ? ago(at) : way === "here" ? clock(at) : utc(at);
      if (one.textContent !== text) one.textContent = text;
      one.title = `${one.dataset.when}\n${clock(at)} here\n${utc(at)}`;
    }
    for (const one of document.querySelectorAll("[data-times]")) { one.textContent = NAMES[way]; one.hidden = false; }
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-times]")) return;
    way = WAYS[(WAYS.indexOf(way) + 1) % WAYS.length];
    localStorage.setItem(KEY, way);
    show();
  });
  document.addEventListener("fresh", () => { compare(); show(); });
  setInterval(show, 5000);
  compare();
  show();
})();
