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

document.querySelector("form").addEventListener("submit", async (event) => {
	event.preventDefault();
	try {
		const alias = field("alias").value;
		const key = await (await fetch("key/" + alias)).json();
		const message = await encrypt(key, card());
		const answer = await fetch("card/" + alias, { method: "POST", body: message });
		show(await answer.text());
		event.target.reset();
	} catch (e) {
		show("not sent: " + e.message);
	}
});
