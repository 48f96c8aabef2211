//! Mouse and keyboard: real events of the browser, not calls of JavaScript.

use serde_json::{Value, json};

use super::Page;

impl Page {
    /// Clicks in the middle of an element, given by a JavaScript expression, as soon as it is there, can be clicked and
    /// does not move. If it moves away under the pointer, it is clicked again.
    pub fn click(&self, element: &str) {
        for _ in 0..5 {
            let point = self.until(&format!(
                "(async () => {{
                    const element = {element};
                    if (!element || element.disabled) return null;
                    element.scrollIntoView({{ block: 'center', inline: 'nearest', behavior: 'instant' }});
                    const place = () => JSON.stringify(element.getBoundingClientRect());
                    const before = place();
                    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                    const {{ left, top, width, height }} = element.getBoundingClientRect();
                    if (place() !== before || width === 0 || height === 0) return null;
                    const [x, y] = [left + width / 2, top + height / 2];
                    const hit = document.elementFromPoint(x, y);
                    if (hit === null || !(element.contains(hit) || hit.contains(element))) return null;
                    window.wasClicked = false;
                    element.addEventListener('click', () => {{ window.wasClicked = true; }}, {{ capture: true, once: true }});
                    return {{ x, y }};
                }})()"
            ));
            for (kind, buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
                self.call(
                    "Input.dispatchMouseEvent",
                    json!({
                        "type": kind, "x": point["x"], "y": point["y"], "button": "left", "buttons": buttons,
                        "clickCount": i32::from(kind != "mouseMoved"),
                    }),
                );
            }
            if self.run("window.wasClicked !== false") == true {
                return;
            }
        }
        panic!("{element} does not stand still");
    }

    /// Presses and releases a key: `Tab`, `Shift+Tab`, `Enter`, `Escape`, `Space`, `Backspace`, or an arrow.
    pub fn press(&self, key: &str) {
        let (modifiers, key) = key.strip_prefix("Shift+").map_or((0, key), |key| (8, key));
        let (key, code, number, text) = match key {
            "Tab" => ("Tab", "Tab", 9, ""),
            "Enter" => ("Enter", "Enter", 13, "\r"),
            "Escape" => ("Escape", "Escape", 27, ""),
            "Backspace" => ("Backspace", "Backspace", 8, ""),
            "Space" => (" ", "Space", 32, " "),
            "ArrowLeft" => ("ArrowLeft", "ArrowLeft", 37, ""),
            "ArrowUp" => ("ArrowUp", "ArrowUp", 38, ""),
            "ArrowRight" => ("ArrowRight", "ArrowRight", 39, ""),
            "ArrowDown" => ("ArrowDown", "ArrowDown", 40, ""),
            _ => panic!("which key is {key}?"),
        };
        let event = |kind: &str| {
            let mut event = json!({
                "type": kind, "modifiers": modifiers, "key": key, "code": code,
                "windowsVirtualKeyCode": number, "nativeVirtualKeyCode": number,
            });
            if !text.is_empty() && kind == "keyDown" {
                event["text"] = Value::from(text);
            }
            event
        };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        self.call("Input.dispatchKeyEvent", event(down));
        self.call("Input.dispatchKeyEvent", event("keyUp"));
    }

    /// Types text where the focus is.
    pub fn type_text(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Clicks into a field and replaces its text.
    pub fn fill(&self, field: &str, text: &str) {
        self.click(field);
        self.run(&format!("({field}).select()"));
        self.press("Backspace");
        self.type_text(text);
    }

    /// Chooses an option of a `select` by its value, with the events of a user's choice.
    pub fn choose(&self, select: &str, value: &str) {
        self.until(&format!(
            "(() => {{
                const select = {select};
                if (!select || ![...select.options].some((option) => option.value === {value})) return false;
                select.focus();
                select.value = {value};
                select.dispatchEvent(new Event('input', {{ bubbles: true }}));
                select.dispatchEvent(new Event('change', {{ bubbles: true }}));
                return true;
            }})()",
            value = json!(value)
        ));
    }
}
