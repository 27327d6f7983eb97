// Questions to the manager: JSON there and back, and a sentence when nothing comes back.

async function sent(path, options) {
  try {
    const answer = await fetch(path, options);
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok && !body.error) body.error = answer.status === 401 ? "not connected: open a new link" : `the manager says ${answer.status}`;
    return { ok: answer.ok, status: answer.status, body };
  } catch {
    return { ok: false, status: 0, body: { status: 0, error: "the manager does not answer" } };
  }
}

export const post = (path, body) => sent(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
export const get = (path) => sent(path, {});
