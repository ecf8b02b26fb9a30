// The bridge between Gradio's components and the front; where the app lies, the element itself knows best.
const app = element.closest("gradio-app") ?? element.getRootNode().host?.closest("gradio-app");
const space = app?.getAttribute("space")?.replace("/", "-");
const source = app?.getAttribute("src") ?? (space ? `https://${space}.hf.space` : location.origin + location.pathname);
import(`${source.replace(/\/$/, "")}/web/gradio.js`).then(({connect}) => connect(element, props, (kind, data) => trigger(kind, data), watch));
// the events that it fires: 'input' 'select'
