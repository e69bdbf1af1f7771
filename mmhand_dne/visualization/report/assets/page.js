'use strict';
(() => {
  // Browsers keep about sixteen WebGL contexts and drop the oldest; each view has some.
  const MOST_VIEWS = 4;
  const STEP = Math.PI / 12;
  // As the crop's camera sees it: from the front, without perspective.
  const HOME = { eye: { x: 0, y: 0, z: -2 }, up: { x: 0, y: -1, z: 0 },
    center: { x: 0, y: 0, z: 0 }, projection: { type: 'orthographic' } };
  const FILL = 0.86; // of half the frame, to which the farthest point reaches
  const ARROW = 30; // millimetres, of the camera's axes
  const SHEER = 0.3; // opacity of ellipsoids, so that they do not hide the hand
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

  const look = (name) => getComputedStyle(document.documentElement)
    .getPropertyValue(name).trim();

  function handTrace(hand, view) {
    const vertices = floats(hand.vertices);
    const faces = indices(shared.faces[hand.faces]);
    const trace = {
      type: 'mesh3d', name: hand.side + ' hand ' + hand.name, flatshading: false,
      x: column(vertices, 0, 1000), y: column(vertices, 1, 1000),
      z: column(vertices, 2, 1000), opacity: Number(view.opacity.value) / 100,
      i: column(faces, 0, 1), j: column(faces, 1, 1), k: column(faces, 2, 1),
      lightposition: { x: -3000, y: -6000, z: -9000 },
      lighting: { ambient: 0.55, diffuse: 0.6, specular: 0.08, roughness: 0.9,
        fresnel: 0, vertexnormalsepsilon: 0, facenormalsepsilon: 0 },
    };
    if (view.color.value === 'deviation' && hand.deviation) {
      trace.intensity = Array.from(floats(hand.deviation));
      trace.hovertemplate = hand.side + ': %{intensity:.1f} mm<extra></extra>';
      Object.assign(trace, { colorscale: shared.colors, cmin: 0, cmax: shared.span,
        showscale: false });
    } else {
      trace.color = hand.color;
      trace.hovertemplate = hand.side + ' hand<extra></extra>';
    }
    return trace;
  }

  /** Bones and joints of a hand; a joint says its name and its deviation. */
  function skeletonTraces(hand) {
    const joints = floats(hand.joints);
    const stds = hand.joint_stds && Array.from(floats(hand.joint_stds));
    const along = (axis) => shared.bones.flatMap(([from, to]) =>
      [1000 * joints[3 * from + axis], 1000 * joints[3 * to + axis], null]);
    const marker = { size: 5, line: { color: look('--paper'), width: 1 } };
    Object.assign(marker, stds ? { color: stds, colorscale: shared.colors, cmin: 0,
      cmax: shared.span } : { color: hand.color });
    const text = shared.joints.map((name, joint) => name +
      (stds ? ': ' + stds[joint].toFixed(1) + ' mm' : ''));
    return [
      { type: 'scatter3d', mode: 'lines', name: 'bones ' + hand.name, x: along(0),
        y: along(1), z: along(2), hoverinfo: 'skip', showlegend: false,
        line: { color: look('--ink'), width: 5 } },
      { type: 'scatter3d', mode: 'markers', name: 'joints ' + hand.name, marker, text,
        x: column(joints, 0, 1000), y: column(joints, 1, 1000),
        z: column(joints, 2, 1000), hovertemplate: '%{text}<extra></extra>',
        showlegend: false },
    ];
  }

  /** All ellipsoids of a hand as one mesh. */
  function ellipsoidTrace(hand) {
    const points = floats(shared.sphere.points);
    const faces = indices(shared.sphere.faces);
    const centers = floats(hand.centers);
    const axes = floats(hand.axes);
    const stds = floats(hand.stds);
    const t = { type: 'mesh3d', name: 'ellipsoids ' + hand.name, x: [], y: [], z: [],
      i: [], j: [], k: [], intensity: [], colorscale: shared.colors, cmin: 0,
      cmax: shared.span, showscale: false, opacity: SHEER,
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
      textfont: { size: 18, color: look('--ink'), weight: 700 } };
  }

  /** Arrows along the camera's axes from a corner, (3,) millimetres, with names. */
  function arrowTrace(corner) {
    const ends = [0, 1, 2].map((axis) =>
      corner.map((value, i) => value + (i === axis ? ARROW : 0)));
    const along = (axis) => ends.flatMap((end) => [corner[axis], end[axis], null]);
    const names = ['right', 'down', 'away'].flatMap((name) => ['', name, '']);
    const sides = ['middle right', 'bottom center', 'middle left'];
    return { type: 'scatter3d', mode: 'lines+text', name: 'axes', x: along(0),
      y: along(1), z: along(2), text: names, hoverinfo: 'skip', showlegend: false,
      textposition: sides.flatMap((side) => [side, side, side]),
      line: { color: look('--soft'), width: 4 },
      textfont: { size: 13, color: look('--soft') } };
  }

  const shown = (view) => (view.others.checked ? view.scene.hands : [view.hand]);

  /** All points that a view shows of meshes and ellipsoids, [x, y, z] millimetres. */
  function points(view) {
    return shown(view).flatMap((hand) => {
      const t = view.ellipsoids.checked && hand.centers ? [ellipsoidTrace(hand)] : [];
      t.push(handTrace(hand, view));
      return t.flatMap(({ x, y, z }) => x.map((value, i) => [value, y[i], z[i]]));
    });
  }

  function traces(view, corner) {
    const hands = shown(view);
    const out = hands.map((hand) => handTrace(hand, view));
    if (view.ellipsoids.checked) {
      hands.filter((hand) => hand.centers)
        .forEach((hand) => out.push(ellipsoidTrace(hand)));
    }
    if (view.skeleton.checked) {
      hands.forEach((hand) => out.push(...skeletonTraces(hand)));
    }
    out.push(arrowTrace(corner));
    if (view.others.checked) out.push(letterTrace(hands));
    return out;
  }

  const bounds = (places) => [0, 1, 2].map((axis) => places.reduce(([low, high], at) =>
    [Math.min(low, at[axis]), Math.max(high, at[axis])], [Infinity, -Infinity]));

  /** Traces and layout: what is shown fills the frame, from wherever it is seen. */
  function figure(view) {
    const places = points(view);
    if (view.others.checked) {
      places.push(...view.scene.hands.map((hand) => hand.label.map((v) => 1000 * v)));
    }
    const ranges = bounds(places);
    const middle = ranges.map(([low, high]) => (low + high) / 2);
    const far = (at) => Math.hypot(...at.map((value, i) => value - middle[i]));
    const reach = places.reduce((most, at) => Math.max(most, far(at)), 0);
    // The arrows start where the way to the corner leaves the sphere around all.
    const out = reach / far(ranges.map(([low]) => low));
    const corner = ranges.map(([low], i) => middle[i] + out * (low - middle[i]));
    const cube = middle.map((value) => [value - reach, value + reach]);
    const axis = (i) => ({ range: cube[i], visible: false, showspikes: false });
    return [traces(view, corner), { margin: { l: 0, r: 0, t: 0, b: 0 },
      showlegend: false, paper_bgcolor: look('--wash'),
      modebar: { bgcolor: 'rgba(0,0,0,0)', color: look('--soft'),
        activecolor: look('--ink') },
      scene: { aspectmode: 'manual', bgcolor: look('--wash'),
        aspectratio: { x: 2 * FILL, y: 2 * FILL, z: 2 * FILL }, dragmode: 'orbit',
        camera: HOME, xaxis: axis(0), yaxis: axis(1), zaxis: axis(2) } }];
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
    const { eye, up, center, projection } = view.stage.layout.scene.camera;
    const across = { x: up.y * eye.z - up.z * eye.y, y: up.z * eye.x - up.x * eye.z,
      z: up.x * eye.y - up.y * eye.x };
    const turned = rotated(rotated(eye, up, sideways * STEP), across, upwards * STEP);
    const top = rotated(up, across, upwards * STEP);
    Plotly.relayout(view.stage, 'scene.camera', { eye: turned, up: top, center,
      projection });
  }

  function close(view) {
    Plotly.purge(view.stage);
    view.stage.hidden = true;
    view.controls.hidden = true;
    view.still.hidden = false;
    open.splice(open.indexOf(view), 1);
  }

  async function start(view) {
    const refusal = whyNot();
    if (refusal) { view.start.textContent = refusal; return; }
    view.button.disabled = true;
    view.button.textContent = 'Opening …';
    await loadLibrary();
    if (open.length >= MOST_VIEWS) close(open[0]);
    view.still.hidden = true;
    view.stage.hidden = false;
    view.controls.hidden = false;
    view.button.disabled = false;
    view.button.textContent = view.label;
    await Plotly.newPlot(view.stage, ...figure(view), CONFIG);
    open.push(view);
    view.stage.focus({ preventScroll: true });
  }

  const TURNS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, -1],
    ArrowDown: [0, 1] };

  function redraw(view) {
    const [data, now] = figure(view);
    now.scene.camera = view.stage.layout.scene.camera;
    Plotly.react(view.stage, data, now, CONFIG);
  }

  function prepare(root, scene) {
    const find = (name) => root.querySelector('.' + name);
    const view = { scene, hand: scene.hands[Number(root.dataset.hand)],
      button: root.querySelector('.start button') };
    ['start', 'still', 'stage', 'controls', 'color', 'opacity', 'skeleton',
      'ellipsoids', 'others'].forEach((name) => { view[name] = find(name); });
    view.label = view.button.textContent;
    view.button.addEventListener('click', () => start(view));
    [view.color, view.skeleton, view.ellipsoids, view.others].forEach((control) => {
      control.addEventListener('change', () => redraw(view));
    });
    view.opacity.addEventListener('input', () => redraw(view));
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

  document.querySelectorAll('article').forEach((article) => {
    const stored = article.querySelector('.scene');
    if (!stored) return;
    const scene = JSON.parse(stored.textContent);
    article.querySelectorAll('.hand').forEach((root) => prepare(root, scene));
  });
  // Light or dark may change while the page is open.
  matchMedia('(prefers-color-scheme: dark)')
    .addEventListener('change', () => open.forEach(redraw));
})();
