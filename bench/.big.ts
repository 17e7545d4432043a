import { AnchorLog } from "../test/support/anchor-log.ts";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Statement } from "@tallystick/evidence";
const log = await AnchorLog.create();
const dev = await log.enrol("city/gw-1");
const chains = Array.from({length:400},(_,i)=>nodeSha256(Buffer.from("c"+i)).slice(0,8));
const bytes = new Uint8Array(300);
let n=0; const last = new Map<number, Uint8Array>();
const seqs = new Array(400).fill(1);
for (let b=0;b<400;b++) {
  const st: Statement[] = [];
  for (let i=0;i<2500;i++) { const c=i%400; const hash=nodeSha256(Buffer.from("s"+n++)); st.push({hash, kid: dev.signer.key.kid, bytes, claims:{iss:"city/gw-1",sub:"m/1",ch:chains[c],seq:seqs[c]++,prev:last.get(c)??hash,tq:2,lvl:1}} as never); last.set(c,hash); }
  const d=log.sequence([],st);
  if (process.argv[2] && d.batch) { const {growth:_,...row}=d.batch; await log.opened.publisher.publish({...row, signature:null}); await log.opened.publisher.tidy(); }
  if (b%50===0) { global.gc?.(); const m=process.memoryUsage(); console.log(b,'rss', m.rss>>20, 'heap', m.heapUsed>>20, 'ext', m.external>>20, 'ab', m.arrayBuffers>>20); }
}
log.remove();
