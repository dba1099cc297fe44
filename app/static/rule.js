// The rule of automatic top-up reads as one sentence; its figures change while one types them. Without this
// script the sentence says what was saved, or sent.
(() => {
  "use strict";
  const sentence = document.querySelector(".rule");
  const form = document.querySelector("form[data-rule]");
  if (!sentence || !form) return;
  const euros = new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency: "EUR" });

  // "25", "25,00", "1.234,50" and "1,234.50", as the server reads them; null when it is not an amount.
  const amountOf = (text) => {
    const clean = text.replace(/[\s€]/g, "");
    const [, whole, cents] = clean.match(/^(.*)[.,](\d{1,2})$/) || [null, clean, "0"];
    if (!/^(\d{1,3}([.,]?\d{3})*|\d+)$/.test(whole)) return null;
    return Number(whole.replace(/\D/g, "")) + Number(cents.padEnd(2, "0")) / 100;
  };

  form.addEventListener("input", (event) => {
    const { name, value } = event.target;
    const amount = amountOf(value);
    const figure = sentence.querySelector(`[data-says="${CSS.escape(name)}"]`);
    if (figure && amount !== null) figure.textContent = euros.format(amount);
    const part = sentence.querySelector(`[data-with="${CSS.escape(name)}"]`);
    if (part) part.hidden = amount === null;
  });
})();
