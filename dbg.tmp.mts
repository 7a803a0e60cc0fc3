import { LiveKeras } from "./test/references/live-keras.js";
import { readFileSync, readdirSync } from "node:fs"; import { tmpdir } from "node:os"; import { join } from "node:path";
const live = await LiveKeras.start();
for (const m of JSON.parse(readFileSync("/tmp/keras2/cases.json","utf8"))) {
try { console.log(await live.difference(m)); } catch(e:any){console.log("THROWN", e.message.slice(0,300))}
const d=readdirSync(tmpdir()).filter(x=>x.startsWith("difftest-live-keras-")).at(-1)!;
const c=JSON.parse(readFileSync(join(tmpdir(),d,"model.json"),"utf8")); for(const l of c.config.layers) console.log(l.class_name,JSON.stringify({...l.config,dtype:0,name:0}),JSON.stringify(l.inbound_nodes.map((n:any)=>n.args.flat().map((a:any)=>a.config.keras_history)))); console.log(JSON.stringify(c.config.output_layers)); }
await live.close();
