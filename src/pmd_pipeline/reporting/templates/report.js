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
    hidden: new Set(),
  }));
  const hiddenEverywhere = new Set();

  // ---- Colours: figures are made for white paper, and read on whatever paper the page has.

  const pen = document.createElement("canvas").getContext("2d");
  const parts = (colour) => {
    pen.fillStyle = "#000000";
    pen.fillStyle = colour;
    const [, ...hexadecimal] = /^#(..)(..)(..)$/.exec(pen.fillStyle) ?? [];
    return hexadecimal.length ? hexadecimal.map((part) => parseInt(part, 16)) : undefined;
  };
  const hexadecimal = (colour) =>
    "#" + colour.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("");
  // By WCAG 2.
  const luminance = (colour) => {
    const linear = colour.map((part) => part / 255).map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  const currentTheme = () => {
    const style = getComputedStyle(document.documentElement);
    const [ink, muted, rule, paper] = ["--ink", "--muted", "--rule", "--paper"].map((name) =>
      style.getPropertyValue(name).trim());
    const isDark = luminance(parts(paper)) < 0.5;
    // The palette was chosen on white; what lies below this there is the end of the colour scale.
    const least = isDark ? 3 : 2.2;
    const known = new Map([["#000000", ink], ["#ffffff", paper]]);
    const readable = (colour) => {
      const found = typeof colour === "string" ? parts(colour) : undefined;
      if (!found) return colour; // a number, or a colour that lets others through
      const name = hexadecimal(found);
      if (!known.has(name)) {
        let mixed = found;
        for (let share = 0.1; share < 1 && contrast(mixed, parts(paper)) < least; share += 0.1) {
          mixed = found.map((part, i) => part + share * (parts(ink)[i] - part));
        }
        known.set(name, hexadecimal(mixed));
      }
      return known.get(name);
    };
    return { ink, muted, rule, paper, readable, family: getComputedStyle(document.body).fontFamily };
  };

  const recoloured = (trace, { readable }) => {
    const withColour = (part) => part?.color === undefined ? part : {
      ...part,
      color: Array.isArray(part.color) ? part.color.map(readable) : readable(part.color),
    };
    const result = { ...trace };
    if (trace.line) result.line = withColour(trace.line);
    if (trace.marker) {
      result.marker = withColour(trace.marker);
      if (trace.marker.line) result.marker = { ...result.marker, line: withColour(trace.marker.line) };
      if (Array.isArray(trace.marker.colorscale)) {
        result.marker = {
          ...result.marker,
          colorscale: trace.marker.colorscale.map(([at, colour]) => [at, readable(colour)]),
        };
      }
    }
    return result;
  };

  // ---- Panels: beside each other as far as each has room, below each other otherwise.

  const leastPanelWidth = 320; // narrower, titles and labels meet
  const besidePanel = 76, belowPanel = 52; // what an axis's numbers and its name take
  const tallestOnPaper = 160; // so that a page has room for what comes next
  const arranged = (layout, width, tallest) => {
    const number = (name) => Number(name.slice(5) || 1);
    const columnsOfAxes = Object.keys(layout).filter((name) => /^xaxis\d*$/.test(name))
      .sort((a, b) => number(a) - number(b));
    const around = layout.margin.t + layout.margin.b;
    const height = Math.min(layout.meta?.panel_height ?? layout.height - around, tallest);
    if (columnsOfAxes.length < 2) return { ...layout, height: height + around };
    const most = layout.meta?.columns ?? columnsOfAxes.length;
    const columns = Math.max(1, Math.min(most, Math.floor(width / leastPanelWidth)));
    const rows = Math.ceil(columnsOfAxes.length / columns);
    const across = width - layout.margin.l - layout.margin.r;
    const wide = (across - besidePanel * (columns - 1)) / columns;
    const high = Math.min(height, Math.max(0.8 * wide, 200));
    const gap = belowPanel + layout.margin.t;
    const down = rows * high + gap * (rows - 1);
    const result = {
      ...layout,
      height: down + around,
      annotations: layout.annotations?.map((note) => note.name === "panel title"
        ? { ...note, text: note.text.replaceAll("<br>", " ") } : note),
    };
    columnsOfAxes.forEach((x, place) => {
      const y = `yaxis${(layout[x].anchor ?? "y").slice(1)}`;
      const left = (place % columns) * (wide + besidePanel);
      const top = Math.floor(place / columns) * (high + gap);
      const isFirst = place % columns === 0;
      result[x] = { ...layout[x], domain: [left / across, Math.min((left + wide) / across, 1)] };
      result[y] = {
        ...layout[y],
        domain: [Math.max(1 - (top + high) / down, 0), 1 - top / down],
        // Of axes that share their numbers, the first in each row shows them.
        ...(layout[y].matches && isFirst ? { showticklabels: true, title: layout.yaxis.title } : {}),
      };
    });
    return result;
  };

  const themed = (layout, { ink, muted, rule, paper, readable, family }) => {
    const result = {
      ...layout,
      autosize: true,
      width: undefined,
      showlegend: false, // the page has legends of its own
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { ...layout.font, color: ink, size: 12, family },
      hoverlabel: { ...layout.hoverlabel, bgcolor: paper, bordercolor: rule, font: { color: ink, family } },
      // A finger that drags over a figure scrolls the page; a mouse zooms.
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      annotations: layout.annotations?.map((note) => ({
        ...note,
        font: note.font?.color ? { ...note.font, color: muted } : note.font,
        bgcolor: note.bgcolor && `${paper}d9`,
      })),
      shapes: layout.shapes?.map((shape) =>
        ({ ...shape, line: { ...shape.line, color: readable(shape.line?.color) } })),
    };
    for (const key of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
      result[key] = { ...layout[key], gridcolor: rule, linecolor: rule, zerolinecolor: rule };
    }
    return result;
  };

  // Beside panels one below another, a colour bar is as high as the first of them.
  const beside = (trace, { xaxis2, yaxis, height, margin }) => {
    const colorbar = trace.marker?.colorbar;
    if (!colorbar || !xaxis2) return trace;
    const len = (yaxis.domain[1] - yaxis.domain[0]) * (height - margin.t - margin.b);
    const placed = { ...colorbar, lenmode: "pixels", len, y: yaxis.domain[1], yanchor: "top" };
    return { ...trace, marker: { ...trace.marker, colorbar: placed } };
  };

  // ---- Drawing

  const draw = ({ element, figure, hidden }, theme = currentTheme()) => {
    const isShown = (part) => {
      const name = part.legendgroup ?? part.name;
      return !hidden.has(name) && !hiddenEverywhere.has(name);
    };
    // A bar is as high as its name needs.
    const isOnPaper = document.documentElement.classList.contains("printed");
    const hasBars = figure.data.some((trace) => trace.type === "bar");
    const tallest = isOnPaper && !hasBars ? tallestOnPaper : Infinity;
    const layout = themed(arranged(figure.layout, element.clientWidth, tallest), theme);
    layout.shapes = layout.shapes?.filter(isShown);
    element.style.height = `${layout.height}px`;
    const data = figure.data.map((trace) =>
      isShown(trace) ? recoloured(beside(trace, layout), theme) : { ...trace, visible: false });
    return Plotly.react(element, data, layout, { displayModeBar: false });
  };
  const colourLegends = ({ readable }) => {
    for (const swatch of document.querySelectorAll(".legend svg")) {
      swatch.style.color = readable(swatch.dataset.colour);
    }
  };
  const drawAll = () => {
    const theme = currentTheme();
    colourLegends(theme);
    plots.forEach((plot) => draw(plot, theme));
  };

  document.querySelectorAll(".legend button").forEach((button) => {
    button.addEventListener("click", () => {
      const own = plots.find(({ element }) => element.id === button.parentElement.dataset.plot);
      const hidden = own ? own.hidden : hiddenEverywhere;
      const name = button.dataset.group;
      if (!hidden.delete(name)) hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      if (own) draw(own);
      else drawAll();
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  // On paper the page is as wide as the paper, and black on white.
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printed");
    drawAll();
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printed");
    drawAll();
  });

  // One after another, so that the page can be read and scrolled meanwhile.
  const theme = currentTheme();
  colourLegends(theme);
  for (const plot of plots) {
    await draw(plot, theme);
    if (plot === plots[0]) performance.mark("first-figure-drawn");
    await new Promise((resolve) => setTimeout(resolve));
  }
  performance.mark("figures-drawn");
})();
