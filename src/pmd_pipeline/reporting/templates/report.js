"use strict";
(async () => {
  // plotly.js is packed by gzip, which makes the page a third as long.
  const unpacked = async (text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const packed = document.getElementById("plotly-js");
  try {
    const script = document.createElement("script");
    script.textContent = await unpacked(packed.textContent);
    document.head.append(script);
    packed.remove();
  } catch (error) {
    document.getElementById("no-curves").hidden = false;
    throw error;
  }

  const plots = [...document.querySelectorAll(".plot")].map((element) => ({
    element,
    figure: JSON.parse(document.getElementById(`${element.id}-data`).textContent),
  }));
  const hidden = new Set();

  // Figures made elsewhere keep their colours, on the white that they were made for.
  const themed = (layout, keepsColours) => {
    if (keepsColours) return { ...layout, autosize: true, width: undefined };
    const style = getComputedStyle(document.documentElement);
    const [ink, rule, paper] = ["--ink", "--rule", "--paper"].map((name) =>
      style.getPropertyValue(name).trim());
    const family = getComputedStyle(document.body).fontFamily;
    const result = {
      ...layout,
      autosize: true,
      width: undefined,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { ...layout.font, color: ink, size: 12, family },
      hoverlabel: { bgcolor: paper, bordercolor: rule, font: { color: ink } },
      // A finger that drags over a figure scrolls the page; a mouse zooms.
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    };
    for (const key of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
      result[key] = { ...layout[key], gridcolor: rule, linecolor: rule, zerolinecolor: rule };
    }
    return result;
  };

  const shown = (data) => data.map((trace) =>
    trace.legendgroup && hidden.has(trace.legendgroup) ? { ...trace, visible: false } : trace);

  const draw = ({ element, figure }) =>
    Plotly.react(element, shown(figure.data), themed(figure.layout, "keepsColours" in element.dataset),
      { responsive: true, displayModeBar: false });
  const drawAll = () => plots.forEach(draw);

  document.querySelectorAll(".legend button").forEach((button) => {
    button.addEventListener("click", () => {
      const algorithm = button.dataset.algorithm;
      if (!hidden.delete(algorithm)) hidden.add(algorithm);
      button.setAttribute("aria-pressed", String(!hidden.has(algorithm)));
      drawAll();
    });
  });
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", drawAll);
  }
  // One after another, so that the page can be read and scrolled meanwhile.
  for (const plot of plots) {
    await draw(plot);
    if (plot === plots[0]) performance.mark("first-figure-drawn");
    await new Promise((resolve) => setTimeout(resolve));
  }
  performance.mark("figures-drawn");
})();
