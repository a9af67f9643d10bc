// Figures that can be zoomed into; the same figures stand as a table below, for browsers without scripts.
(() => {
  const AGAIN_MS = 60000, DAY_S = 86400;
  const drawn = new WeakMap();

  function colour(tone) {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.className = tone;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function took(seconds) {
    if (seconds == null) return "-";
    const [size, unit] = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]].find(([one]) => seconds >= one) || [0.001, "ms"];
    return `${Math.round(seconds / size)}${unit}`;
  }

  const pad = (n) => String(n).padStart(2, "0");
  const day = (d) => `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
  const time = (d) => `${pad(d.getHours())}:${pad(d.getMinutes())}`;

  function instants(all, step) {
    return all.map((at) => new Date(at * 1000)).map((d) => (step >= DAY_S || time(d) === "00:00" ? day(d).slice(5) : time(d)));
  }

  function marks(chart, changes, own, others) {
    const { ctx, bbox } = chart;
    ctx.save();
    for (const one of changes) {
      const x = Math.round(chart.valToPos(Date.parse(one.at) / 1000, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = one.own ? own : others;
      ctx.setLineDash(one.own ? [] : [4, 4]);
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
    }
    ctx.restore();
  }

  // The legend stands below, on as many lines as it needs: the place grows with it, the chart does not.
  const size = (place) => ({ width: place.clientWidth, height: parseFloat(getComputedStyle(place).minHeight) });

  const share = (hour) => (hour.succeeded + hour.failed ? (100 * hour.succeeded) / (hour.succeeded + hour.failed) : null);
  const seconds = (ms) => (ms === null ? null : ms / 1000);
  // The statistics of a place by its data-stats: lines (label, tone, value of an hour), text of a value, scale.
  const STATS = {
    duration: {
      lines: [["p50 about", "good", (hour) => seconds(hour.p50_ms)], ["p95 about", "busy", (hour) => seconds(hour.p95_ms)]],
      text: took,
      scale: { distr: 3, log: 2 },
    },
    success: {
      lines: [["success rate", "good", share]],
      text: (percent) => (percent == null ? "-" : `${Math.round(percent * 10) / 10} %`),
      scale: { range: [0, 100] },
    },
  };

  function draw(place, found) {
    const { lines, text, scale } = STATS[place.dataset.stats];
    const hours = found.hours.filter((hour) => lines.some(([, , value]) => value(hour) !== null));
    if (!hours.length) { place.textContent = "No run ended in this time."; return; }
    // The whole time that was asked for, empty at both ends: of one hour alone the scale would be of years.
    const data = [
      [Date.parse(found.since_at) / 1000, ...hours.map((hour) => Date.parse(hour.hour_at) / 1000), Date.now() / 1000],
      ...lines.map(([, , value]) => [null, ...hours.map(value), null]),
    ];
    const quiet = colour("quiet"), own = colour("warn"), axis = { stroke: quiet, grid: { show: false }, ticks: { stroke: quiet, width: 1 } };
    const series = lines.map(([label, tone]) => ({ label, stroke: colour(tone), width: 1.5, points: { show: hours.length < 100 }, value: (_, v) => text(v) }));
    drawn.get(place)?.chart.destroy();
    place.textContent = "";
    const chart = new uPlot({
      ...size(place),
      scales: { x: { range: (_, from, to) => [from, to] }, y: scale },
      axes: [{ ...axis, values: (_, all, index, space, step) => instants(all, step) }, { ...axis, size: 64, values: (_, all) => all.map((v) => (v === null ? "" : text(v))) }],
      series: [{ label: "hour", value: (_, at) => (at == null ? "-" : `${day(new Date(at * 1000))} ${time(new Date(at * 1000))}`) }, ...series],
      hooks: { draw: [(plot) => marks(plot, found.marks, own, quiet)] },
    }, data, place);
    drawn.set(place, { at: Date.now(), chart });
  }

  async function show(place) {
    const before = drawn.get(place);
    if (before && Date.now() - before.at < AGAIN_MS) return;
    if (before) before.at = Date.now();
    try {
      const answer = await fetch(place.dataset.chart);
      if (answer.ok) draw(place, await answer.json());
    } catch { /* the page says itself that the server is away */ }
  }

  const wide = new ResizeObserver((all) => {
    for (const { target } of all) drawn.get(target)?.chart.setSize(size(target));
  });
  function all() { for (const one of document.querySelectorAll("[data-chart]")) { wide.observe(one); show(one); } }

  document.addEventListener("fresh", all);
  all();
})();
