'use strict';
// The API documentation, rendered from /openapi.json without anything from outside.

const byId = (id) => document.getElementById(id);

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function table(headings, rows) {
  const element = make('table');
  const head = element.createTHead().insertRow();
  headings.forEach((heading) => head.append(make('th', heading)));
  const body = element.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((text) => { row.insertCell().textContent = text || ''; });
  }
  return element;
}

function showBody(content) {
  const parts = [make('p', `Body: ${Object.keys(content).join(', ')}`)];
  for (const { schema } of Object.values(content)) {
    const fields = Object.entries((schema && schema.properties) || {});
    if (fields.length) {
      parts.push(table(['Field', 'Type', ''], fields.map(([name, field]) => [name, field.type, field.description])));
    }
  }
  return parts;
}

function showOperation(path, method, operation) {
  const element = make('details');
  const summary = make('summary');
  summary.append(make('span', method.toUpperCase(), 'method'));
  summary.append(make('code', path, operation.deprecated ? 'deprecated' : ''));
  summary.append(make('span', ` ${operation.summary}`, 'soft'));
  element.append(summary);
  if (operation.description) element.append(make('p', operation.description));
  const parameters = operation.parameters || [];
  if (parameters.length) {
    element.append(table(['Parameter', 'In', 'Type', ''],
      parameters.map((one) => [one.name, one.in, one.schema.type, one.description])));
  }
  if (operation.requestBody) {
    if (operation.requestBody.description) element.append(make('p', operation.requestBody.description));
    element.append(...showBody(operation.requestBody.content));
  }
  const answers = Object.keys(operation.responses['200'].content || {});
  element.append(make('p', `Answer: ${answers.join(', ') || 'no content'}`));
  element.dataset.text = `${method} ${path} ${operation.summary}`.toLowerCase();
  return element;
}

function filter() {
  const words = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of byId('operations').children) {
    let shown = 0;
    for (const element of section.querySelectorAll('details')) {
      element.hidden = !words.every((word) => element.dataset.text.includes(word));
      shown += element.hidden ? 0 : 1;
    }
    section.hidden = shown === 0;
  }
}

async function show() {
  const answer = await fetch('openapi.json');
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status} ${answer.statusText}`);
  const document_ = await answer.json();
  byId('about').textContent = `${document_.info.title} ${document_.info.version}. ${document_.info.description}`;
  const sections = new Map(document_.tags.map((tag) => [tag.name, make('section')]));
  sections.forEach((section, name) => section.append(make('h2', name)));
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      sections.get(operation.tags[0]).append(showOperation(path, method, operation));
    }
  }
  byId('operations').append(...sections.values());
}

byId('filter').addEventListener('input', filter);
show().catch((error) => { byId('error').textContent = error.message; });
