// Instants as spans from now, kept true; the clock time stands in the title, in the zone of the automation and in that of the viewer.
// One switch shows them all on the clock instead: of the viewer, or UTC.
(() => {
  const KEY = "mainspring.times", WAYS = ["ago", "here", "utc"];
  const NAMES = { ago: "times: relative", here: "times: here", utc: "times: UTC" };
  const UNITS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
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

  function ago(d) {
    const s = (Date.now() - skew - d) / 1000;
    if (Math.abs(s) < 1) return "now";
    const [size, unit] = UNITS.find(([one]) => Math.abs(s) >= one) || UNITS[3];
    const n = Math.floor(Math.abs(s) / size);
    return s > 0 ? `${n}${unit} ago` : `in ${n}${unit}`;
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
