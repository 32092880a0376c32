// Sends the form's card as one encrypted text, and shows what the vault made of it.
import { encrypt } from "./capture.js";

const field = (id) => document.getElementById(id);
const show = (text) => { document.querySelector("output").textContent = text; };

// card is the fields that were filled in, under the names the vault knows.
function card() {
	const [expiryYear, expiryMonth] = field("expiry").value.split("-");
	const all = {
		cardNumber: field("number").value.replace(/[ -]/g, ""),
		cardholderName: field("holder").value.trim(),
		expiryMonth, expiryYear,
		cvv: field("code").value,
	};
	return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
}

const form = document.querySelector("form");
const button = form.querySelector("button");
form.addEventListener("submit", async (event) => {
	event.preventDefault();
	button.disabled = true; // pressed twice it would send the card twice
	try {
		const alias = field("alias").value;
		const published = await fetch("key/" + alias);
		if (!published.ok) {
			throw new Error(await published.text());
		}
		const message = await encrypt(await published.json(), card());
		const answer = await fetch("card/" + alias, { method: "POST", body: message });
		show(await answer.text());
		if (answer.ok) { // else it may be mended and sent again
			form.reset();
		}
	} catch (e) {
		show("not sent: " + e.message);
	} finally {
		button.disabled = false;
	}
});
