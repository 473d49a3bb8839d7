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
  if (trace.line?.color !== "ink") return trace;
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  return { ...trace, line: { ...trace.line, color: ink } };
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
