// Talks to the server: pictures go out, answers come back, or a Refusal.

const MAPS = "confidence,entropy,errors";

/** Why there is no answer; `code` is one of the API's, or `offline`. */
export class Refusal extends Error {
  constructor(code, message, seconds = 0) {
    super(message);
    this.code = code;
    this.seconds = seconds; // after which it is worth trying again; 0 if it is not
  }
}

const OFFLINE = "The server does not answer. It may have stopped, or the network is down.";

/**
 * Ask models about a picture.
 * @param {{picture: Blob, name: string, reference: Blob?, models: string[]}} question
 * @param {(part: number) => void} sent told how much of the picture has gone
 * @param {AbortSignal} signal gives it up
 */
export function predict(question, sent, signal) {
  const form = new FormData();
  form.append("models", question.models.join(","));
  form.append("maps", MAPS);
  form.append("picture", question.picture, question.name);
  if (question.reference) form.append("reference", question.reference, "reference.png");
  return post("/api/predict", form, sent, signal);
}

/** Have a picture kept, see the dialog that asks for it. */
export function flag({ picture, name, model, reason, comment }) {
  const form = new FormData();
  for (const [key, value] of Object.entries({ model, reason, comment })) {
    form.append(key, value);
  }
  form.append("picture", picture, name);
  return post("/api/flag", form, () => {}, new AbortController().signal);
}

/** What there is to be said of the models. */
export async function models() {
  const answer = await fetch("/api/models").catch(() => {
    throw new Refusal("offline", OFFLINE);
  });
  if (!answer.ok) throw new Refusal("offline", OFFLINE);
  return (await answer.json()).models;
}

/** A form sent; not by `fetch`, which does not tell how far it has come. */
function post(address, form, sent, signal) {
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.open("POST", address);
    request.responseType = "json";
    request.upload.onprogress = (e) => sent(e.loaded / e.total);
    request.onload = () => {
      const said = request.response;
      if (request.status < 300 && said) return resolve(said);
      const seconds = Number(request.getResponseHeader("retry-after"));
      reject(new Refusal(said?.code ?? "internal", said?.error ?? "Something went wrong.", seconds));
    };
    request.onerror = () => reject(new Refusal("offline", OFFLINE));
    request.onabort = () => reject(new Refusal("given_up", "Given up."));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
