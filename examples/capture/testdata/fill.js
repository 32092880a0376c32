// Fills in the form as a customer would and reports what the page then shows.
// Loaded by browser_test.go only.
const typed = JSON.parse(document.currentScript.dataset.card);

addEventListener("load", () => {
	for (const [id, value] of Object.entries(typed)) {
		document.getElementById(id).value = value;
	}
	const output = document.querySelector("output");
	const button = document.querySelector("button");
	let twice;
	new MutationObserver(() => fetch("/shown", {
		method: "POST",
		body: JSON.stringify({
			text: output.textContent, kept: document.getElementById("number").value === typed.number,
			twice, again: !button.disabled,
		}),
	})).observe(output, { childList: true });
	button.click();
	twice = !button.disabled;
});
