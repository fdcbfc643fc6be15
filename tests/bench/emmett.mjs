// Emmett on PostgreSQL by its public API: appends, append and read back, bulk, rebuild. Prints one JSON object.
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";

const [url, prefix] = process.argv.slice(2);
const APPENDS = 300, BULK = 250, BULKS = 8, STREAM = 1000, REBUILDS = 5;
const store = getPostgreSQLEventStore(url);
const fact = (count) => ({
  type: "TokenTaken",
  data: { holder_id: `holder-${count}`, count, actor: "boss", command_id: `command-${count}`, door: "local", note: "x".repeat(200) },
});
const rate = async (count, work) => {
  const begun = performance.now();
  await work();
  return (count * 1000) / (performance.now() - begun);
};
const evolve = (state, { data }) => ({ count: state.count + (data.count ? 1 : 1) });
const answer = {};
for (let n = 0; n < 50; n++) await store.appendToStream(`${prefix}-warm-${n}`, [fact(n)]);
answer.append = await rate(APPENDS, async () => {
  for (let n = 0; n < APPENDS; n++) await store.appendToStream(`${prefix}-one-${n}`, [fact(n)]);
});
answer.append_read = await rate(APPENDS, async () => {
  for (let n = 0; n < APPENDS; n++) {
    await store.appendToStream(`${prefix}-two-${n}`, [fact(n)]);
    await store.readStream(`${prefix}-two-${n}`);
  }
});
answer.bulk = await rate(BULK * BULKS, async () => {
  for (let n = 0; n < BULKS; n++)
    await store.appendToStream(`${prefix}-bulk-${n}`, Array.from({ length: BULK }, (_, i) => fact(i)));
});
await store.appendToStream(`${prefix}-long`, Array.from({ length: STREAM }, (_, i) => fact(i)));
answer.rebuild = await rate(STREAM * REBUILDS, async () => {
  for (let n = 0; n < REBUILDS; n++) {
    const { state } = await store.aggregateStream(`${prefix}-long`, { evolve, initialState: () => ({ count: 0 }) });
    if (state.count !== STREAM) throw new Error(`rebuilt ${state.count} of ${STREAM}`);
  }
});
await store.close();
console.log(JSON.stringify(answer));
