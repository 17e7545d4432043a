import { AnchorLog } from "../test/support/anchor-log.ts";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Statement } from "@tallystick/evidence";
const log = await AnchorLog.create();
log.opened.store.db.exec(`PRAGMA cache_size=-${process.argv[2]}`);
const dev = await log.enrol("city/gw-1");
const chains = Array.from({length:400},(_,i)=>nodeSha256(Buffer.from("c"+i)).slice(0,8));
const bytes = new Uint8Array(300);
let n=0; const last = new Map<number, Uint8Array>();
const seqs = new Array(400).fill(1); let cpu=0;
for (let b=0;b<300;b++) {
  const st: Statement[] = [];
  for (let i=0;i<2500;i++) { const c=i%400; const hash=nodeSha256(Buffer.from("s"+n++)); st.push({hash, kid: dev.signer.key.kid, bytes, claims:{iss:"city/gw-1",sub:"m/1",ch:chains[c],seq:seqs[c]++,prev:last.get(c)??hash,tq:2,lvl:1}} as never); last.set(c,hash); }
  const c0=process.threadCpuUsage(); const d=log.sequence([],st); const c1=process.threadCpuUsage(c0); if (b>=200) cpu+=c1.user+c1.system;
}
global.gc?.(); const m=process.memoryUsage(); console.log('cache KiB', process.argv[2],'rss', m.rss>>20, 'heapTotal', m.heapTotal>>20, 'heap', m.heapUsed>>20, 'cpu us/stmt', (cpu/100/2500).toFixed(1));
log.remove();
