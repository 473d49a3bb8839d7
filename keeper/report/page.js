const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const narrow = innerWidth < 700;
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"), automargin: true };
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: narrow ? 11 : 12.5, color: colour("--ink") },
    margin: { l: narrow ? 8 : 56, r: 8, t: 8, b: 30 },
    legend: { orientation: "h", y: -0.12, x: 0, itemwidth: 30 },
    hoverlabel: { align: "left", bgcolor: colour("--tint"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
    hovermode: "closest",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--line"), activecolor: colour("--soft") },
  };
  const merged = { ...base, ...layout, xaxis: { type: "date", ...axis, ...(layout.xaxis || {}) } };
  for (const name of ["yaxis", "yaxis2"]) {
    if (layout[name]) {
      const { title, ...rest } = layout[name];
      merged[name] = { ...axis, ...rest, ...(title && !narrow ? { title: { text: title } } : {}) };
    }
  }
  return merged;
}

// plotly.js cannot take a colour from the style sheet.
function inked(trace) {
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  const copy = { ...trace };
  for (const part of ["line", "error_x"]) {
    if (trace[part]?.color === "ink") copy[part] = { ...trace[part], color: ink };
  }
  return copy;
}

function draw() {
  for (const figure of figures) {
    Plotly.react(figure.name, figure.traces.map(inked), { ...themed(figure.layout), height: figure.height },
      { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", displayModeBar: innerWidth < 700 ? false : "hover", modeBarButtonsToRemove: ["lasso2d", "select2d"] });
  }
  document.body.dataset.drawn = String(figures.length);
}

draw();
dark.addEventListener("change", draw);

const events = JSON.parse(document.getElementById("events").textContent);
const filter = document.getElementById("filter");
const shownAtMost = 500;

function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text;
  if (kind) td.className = kind;
}

function list() {
  const wanted = Object.fromEntries(new FormData(filter));
  const text = wanted.text.toLowerCase();
  const found = events.filter(([time, strategy, kind, cause, , reason]) =>
    (!wanted.strategy || strategy === wanted.strategy) && (!wanted.kind || kind === wanted.kind) &&
    (!wanted.cause || cause === wanted.cause) && (!wanted.since || time.slice(0, 10) >= wanted.since) &&
    (!wanted.until || time.slice(0, 10) <= wanted.until) && (!text || reason.toLowerCase().includes(text)));
  const body = document.querySelector("#events-table tbody");
  body.replaceChildren();
  for (const [time, strategy, kind, cause, held, reason, before, after, turnover, cost] of found.slice(0, shownAtMost)) {
    const row = body.insertRow();
    cell(row, time);
    cell(row, strategy, "text");
    cell(row, held ? `${cause}, held by ${held}` : cause, kind === "liquidation" ? "text bad" : "text");
    cell(row, reason, "reason");
    cell(row, `${before.toFixed(2)} → ${after.toFixed(2)}`);
    cell(row, turnover.toFixed(3));
    cell(row, Math.round(cost).toLocaleString("en"));
  }
  const more = found.length > shownAtMost ? `, the newest ${shownAtMost} shown` : "";
  document.getElementById("counted").textContent = `${found.length} of ${events.length} events${more}`;
}

for (const cause of [...new Set(events.map((event) => event[3]))].sort()) filter.elements.cause.add(new Option(cause));
filter.addEventListener("input", list);
filter.addEventListener("submit", (event) => event.preventDefault());
list();
