'use strict';
// The start page: counts, the newest studies, and an upload form. Text is only ever set as text.

const byId = (id) => document.getElementById(id);
const NEWEST = 20;
const PARALLEL = 3;

async function getJson(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer.json();
}

function showSize(bytes) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

function showDate(text) {
  return /^\d{8}/.test(text || '') ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}` : text || '';
}

async function showCounts() {
  const statistics = await getJson('statistics');
  for (const level of ['Patients', 'Studies', 'Series', 'Instances']) {
    byId(level.toLowerCase()).textContent = statistics[`Count${level}`].toLocaleString();
  }
  byId('size').textContent = showSize(statistics.TotalDiskSize);
}

async function showSystem() {
  const system = await getJson('system');
  byId('name').textContent = system.Name;
  document.title = system.Name;
  byId('about').textContent =
    `DICOM ${system.DicomAet}, port ${system.DicomPort} · REST API of Orthanc ${system.Version}`;
}

function addCell(row, text) {
  const cell = row.insertCell();
  cell.textContent = text;
  return cell;
}

function addLink(cell, text, target) {
  const link = document.createElement('a');
  link.href = target;
  link.textContent = text;
  cell.append(link, ' ');
}

async function showNewest() {
  const { Last: last } = await getJson('changes?last');
  const { Changes: changes } = await getJson(`changes?type=NewStudy&to=${last}&limit=${NEWEST}`);
  const ids = [...new Set(changes.map((change) => change.ID).reverse())];
  const studies = await Promise.all(ids.map((id) => getJson(`studies/${id}`).catch(() => null)));
  const body = byId('newest');
  body.replaceChildren();
  for (const study of studies.filter((found) => found !== null)) {
    const row = body.insertRow();
    const main = study.MainDicomTags;
    const patient = study.PatientMainDicomTags;
    addCell(row, showDate(study.LastUpdate));
    addCell(row, `${patient.PatientName || ''} (${patient.PatientID || ''})`);
    addCell(row, showDate(main.StudyDate));
    addCell(row, main.StudyDescription || '');
    addCell(row, String(study.Series.length));
    const links = addCell(row, '');
    addLink(links, 'JSON', `studies/${study.ID}`);
    addLink(links, 'ZIP', `studies/${study.ID}/archive`);
  }
  byId('none').hidden = body.rows.length > 0;
}

async function refresh() {
  byId('error').textContent = '';
  try {
    await Promise.all([showSystem(), showCounts(), showNewest()]);
  } catch (error) {
    byId('error').textContent = error.message;
  }
}

async function sendFile(file) {
  const answer = await fetch('instances', {
    method: 'POST', body: file, headers: { 'Content-Type': 'application/octet-stream' },
  });
  if (!answer.ok) throw new Error(`${file.name}: ${answer.status}`);
}

async function sendAll(files) {
  const bar = byId('progress');
  const outcome = byId('outcome');
  const queue = [...files];
  const refused = [];
  let sent = 0;
  bar.hidden = false;
  bar.max = queue.length;
  const work = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      try { await sendFile(file); } catch (error) { refused.push(error.message); }
      sent += 1;
      bar.value = sent;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  outcome.className = refused.length ? 'bad' : 'good';
  outcome.textContent = refused.length
    ? `${sent - refused.length} of ${sent} files stored. Refused: ${refused.slice(0, 5).join(', ')}`
    : `${sent} files stored.`;
  await refresh();
}

const drop = byId('drop');
drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  sendAll(event.dataTransfer.files);
});
byId('files').addEventListener('change', (event) => sendAll(event.target.files));
refresh();
