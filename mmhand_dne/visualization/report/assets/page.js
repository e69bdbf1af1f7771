'use strict';
(() => {
  // Browsers keep about sixteen WebGL contexts and drop the oldest; each view has some.
  const MOST_VIEWS = 4;
  const STEP = Math.PI / 12;
  const HOME = { eye: { x: 0, y: 0, z: -1.6 }, up: { x: 0, y: -1, z: 0 },
    center: { x: 0, y: 0, z: 0 } };
  const shared = JSON.parse(document.getElementById('shared').textContent);
  const open = [];

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }
  const floats = (text) => new Float32Array(bytes(text).buffer);
  const indices = (text) => new Uint16Array(bytes(text).buffer);

  /** Every third number from `start`, as a plain array, times `factor`. */
  function column(values, start, factor) {
    const out = [];
    for (let i = start; i < values.length; i += 3) out.push(values[i] * factor);
    return out;
  }

  let library = null;
  /** Unpack and run the viewer's library once, when the first view is asked for. */
  function loadLibrary() {
    library = library || (async () => {
      const packed = bytes(document.getElementById('library').textContent.trim());
      const stream = new Blob([packed]).stream()
        .pipeThrough(new DecompressionStream('gzip'));
      const script = document.createElement('script');
      script.textContent = await new Response(stream).text();
      document.head.append(script);
    })();
    return library;
  }

  function whyNot() {
    if (typeof DecompressionStream === 'undefined') {
      return 'This browser is too old for the 3D view: it cannot unpack the viewer.';
    }
    const canvas = document.createElement('canvas');
    if (!canvas.getContext('webgl')) {
      return 'The 3D view needs WebGL, which this browser does not offer or has ' +
        'turned off. The pictures above and the files below are complete without it.';
    }
    return '';
  }

  function handTrace(hand, span, byDeviation) {
    const vertices = floats(hand.vertices);
    const faces = indices(shared.faces[hand.faces]);
    const trace = {
      type: 'mesh3d', name: hand.side + ' hand ' + hand.name, flatshading: false,
      x: column(vertices, 0, 1000), y: column(vertices, 1, 1000),
      z: column(vertices, 2, 1000),
      i: column(faces, 0, 1), j: column(faces, 1, 1), k: column(faces, 2, 1),
      lightposition: { x: -3000, y: -6000, z: -9000 },
      lighting: { ambient: 0.55, diffuse: 0.6, specular: 0.08, roughness: 0.9,
        fresnel: 0, vertexnormalsepsilon: 0, facenormalsepsilon: 0 },
    };
    if (byDeviation && hand.deviation) {
      trace.intensity = Array.from(floats(hand.deviation));
      trace.hovertemplate = hand.side + ': %{intensity:.1f} mm<extra></extra>';
      Object.assign(trace, { colorscale: shared.colors, cmin: 0, cmax: span,
        showscale: false });
    } else {
      trace.color = hand.color;
      trace.hovertemplate = hand.side + ' hand<extra></extra>';
    }
    return trace;
  }

  /** All ellipsoids of a hand as one mesh. */
  function ellipsoidTrace(hand, span) {
    const points = floats(shared.sphere.points);
    const faces = indices(shared.sphere.faces);
    const centers = floats(hand.centers);
    const axes = floats(hand.axes);
    const stds = floats(hand.stds);
    const t = { type: 'mesh3d', name: 'ellipsoids ' + hand.name, x: [], y: [], z: [],
      i: [], j: [], k: [], intensity: [], colorscale: shared.colors, cmin: 0,
      cmax: span, showscale: false, opacity: 1,
      lighting: { ambient: 0.6, diffuse: 0.5, specular: 0.05 },
      hovertemplate: 'joint: %{intensity:.1f} mm<extra></extra>' };
    const count = points.length / 3;
    stds.forEach((std, joint) => {
      for (let p = 0; p < count; p += 1) {
        const at = [0, 1, 2].map((row) => centers[3 * joint + row] +
          [0, 1, 2].reduce((sum, c) => sum +
            axes[9 * joint + 3 * row + c] * points[3 * p + c], 0));
        t.x.push(1000 * at[0]); t.y.push(1000 * at[1]); t.z.push(1000 * at[2]);
        t.intensity.push(std);
      }
      for (let f = 0; f < faces.length; f += 3) {
        t.i.push(faces[f] + joint * count);
        t.j.push(faces[f + 1] + joint * count);
        t.k.push(faces[f + 2] + joint * count);
      }
    });
    return t;
  }

  /** The letters R and L beyond the wrists. */
  function letterTrace(hands) {
    const along = (axis) => hands.map((hand) => 1000 * hand.label[axis]);
    return { type: 'scatter3d', mode: 'text', showlegend: false, hoverinfo: 'skip',
      x: along(0), y: along(1), z: along(2), text: hands.map((hand) => hand.name),
      textfont: { size: 20, color: '#1a1f24', weight: 700 } };
  }

  /** A trace that draws nothing but the legend in millimetres. */
  function legendTrace(span) {
    return { type: 'scatter3d', x: [null], y: [null], z: [null], mode: 'markers',
      showlegend: false, hoverinfo: 'skip',
      marker: { color: [0], cmin: 0, cmax: span, colorscale: shared.colors,
        showscale: true, colorbar: { title: { text: 'standard deviation [mm]',
          side: 'right' }, thickness: 18, len: 0.8 } } };
  }

  function traces(view) {
    const { scene } = view;
    const byDeviation = view.color.value === 'deviation';
    const solid = view.ellipsoids.checked;
    const out = scene.hands.map((hand) => {
      const trace = handTrace(hand, scene.span, byDeviation);
      if (solid && hand.centers) trace.opacity = 0.35;
      return trace;
    });
    if (solid) {
      scene.hands.filter((hand) => hand.centers)
        .forEach((hand) => out.push(ellipsoidTrace(hand, scene.span)));
    }
    out.push(letterTrace(scene.hands));
    if (scene.span && (byDeviation || solid)) out.push(legendTrace(scene.span));
    return out;
  }

  /** Lowest and highest of all that a scene can show along an axis, millimetres. */
  function range(scene, axis) {
    let low = Infinity;
    let high = -Infinity;
    const add = (from, to) => { low = Math.min(low, from); high = Math.max(high, to); };
    scene.hands.forEach((hand) => {
      add(hand.label[axis], hand.label[axis]);
      column(floats(hand.vertices), axis, 1).forEach((value) => add(value, value));
      if (!hand.centers) return;
      const axes = floats(hand.axes);
      column(floats(hand.centers), axis, 1).forEach((value, joint) => {
        const at = 9 * joint + 3 * axis;
        const reach = Math.hypot(axes[at], axes[at + 1], axes[at + 2]);
        add(value - reach, value + reach);
      });
    });
    return [1000 * low - 5, 1000 * high + 5];
  }

  /** Fixed ranges, the longest of them one unit: everything fits, nothing jumps. */
  function layout(scene) {
    const ranges = [0, 1, 2].map((axis) => range(scene, axis));
    const lengths = ranges.map(([low, high]) => high - low);
    const longest = Math.max(...lengths);
    const axis = (name, i) => ({ title: { text: name + ' [mm]' }, range: ranges[i],
      showspikes: false, showbackground: false, gridcolor: '#d5dae0',
      zerolinecolor: '#d5dae0', dtick: longest > 250 ? 100 : 50 });
    return { margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false,
      scene: { aspectmode: 'manual', aspectratio: { x: lengths[0] / longest,
        y: lengths[1] / longest, z: lengths[2] / longest }, dragmode: 'orbit',
      camera: HOME, xaxis: axis('right', 0), yaxis: axis('down', 1),
      zaxis: axis('away', 2) } };
  }

  // The buttons are listed: a newer library adds one that sends the view to a server.
  const CONFIG = { displaylogo: false, responsive: true, plotlyServerURL: '',
    modeBarButtons: [['toImage', 'zoom3d', 'pan3d', 'orbitRotation']] };

  function rotated(v, axis, angle) {
    const n = Math.hypot(axis.x, axis.y, axis.z);
    const k = { x: axis.x / n, y: axis.y / n, z: axis.z / n };
    const c = Math.cos(angle);
    const s = Math.sin(angle);
    const dot = (k.x * v.x + k.y * v.y + k.z * v.z) * (1 - c);
    return { x: v.x * c + (k.y * v.z - k.z * v.y) * s + k.x * dot,
      y: v.y * c + (k.z * v.x - k.x * v.z) * s + k.y * dot,
      z: v.z * c + (k.x * v.y - k.y * v.x) * s + k.z * dot };
  }

  function turn(view, sideways, upwards) {
    const { eye, up, center } = view.stage.layout.scene.camera;
    const across = { x: up.y * eye.z - up.z * eye.y, y: up.z * eye.x - up.x * eye.z,
      z: up.x * eye.y - up.y * eye.x };
    const turned = rotated(rotated(eye, up, sideways * STEP), across, upwards * STEP);
    const top = rotated(up, across, upwards * STEP);
    Plotly.relayout(view.stage, 'scene.camera', { eye: turned, up: top, center });
  }

  function close(view) {
    Plotly.purge(view.stage);
    view.stage.hidden = true;
    view.controls.hidden = true;
    view.start.hidden = false;
    open.splice(open.indexOf(view), 1);
  }

  async function start(view) {
    const refusal = whyNot();
    if (refusal) { view.start.textContent = refusal; return; }
    view.button.disabled = true;
    view.button.textContent = 'Opening …';
    await loadLibrary();
    if (open.length >= MOST_VIEWS) close(open[0]);
    view.start.hidden = true;
    view.stage.hidden = false;
    view.controls.hidden = false;
    view.button.disabled = false;
    view.button.textContent = view.label;
    await Plotly.newPlot(view.stage, traces(view), layout(view.scene), CONFIG);
    open.push(view);
    view.stage.focus({ preventScroll: true });
  }

  const TURNS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, -1],
    ArrowDown: [0, 1] };

  function prepare(root) {
    const find = (name) => root.querySelector('.' + name);
    const view = { start: find('start'), stage: find('stage'),
      controls: find('controls'), button: root.querySelector('.start button'),
      color: find('color'), ellipsoids: find('ellipsoids'),
      scene: JSON.parse(find('scene').textContent) };
    view.label = view.button.textContent;
    view.button.addEventListener('click', () => start(view));
    const redraw = () => {
      const now = layout(view.scene);
      now.scene.camera = view.stage.layout.scene.camera;
      Plotly.react(view.stage, traces(view), now, CONFIG);
    };
    view.color.addEventListener('change', redraw);
    view.ellipsoids.addEventListener('change', redraw);
    root.querySelectorAll('[data-turn]').forEach((button) => {
      button.addEventListener('click', () => turn(view, ...TURNS[button.dataset.turn]));
    });
    find('reset').addEventListener('click', () => {
      Plotly.relayout(view.stage, 'scene.camera', HOME);
    });
    view.stage.addEventListener('keydown', (event) => {
      if (event.key in TURNS) {
        event.preventDefault();
        turn(view, ...TURNS[event.key]);
      }
    });
  }

  document.querySelectorAll('.viewer').forEach(prepare);
})();
