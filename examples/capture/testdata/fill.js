// Fills in the form as a customer would and reports what the page then shows.
// Loaded by browser_test.go only.
const card = JSON.parse(document.currentScript.dataset.card);

addEventListener("load", () => {
	for (const [id, value] of Object.entries(card)) {
		document.getElementById(id).value = value;
	}
	const output = document.querySelector("output");
	new MutationObserver(() => fetch("/shown", { method: "POST", body: output.textContent }))
		.observe(output, { childList: true });
	document.querySelector("button").click();
});
