// A plain program over KafkaJS, for the client tests. Codecs: none and gzip, which it has built in.
//
// Usage: client.js COMMAND BOOTSTRAP ...
//   create BOOTSTRAP PARTITIONS TOPIC...
//   produce BOOTSTRAP FILE TOPIC,ACKS,CODEC...    FILE holds one "key:value" a line; all must be acknowledged
//   consume BOOTSTRAP COUNT TOPIC...              COUNT records of each topic, from the beginning
//   group BOOTSTRAP GROUP COUNT TOPIC             COUNT records as a member of GROUP, then a commit of what was read
//   insist BOOTSTRAP TOPIC COUNT RETRIES          COUNT records, each retried at most RETRIES times
//                                                 (-1: idempotent, without a limit)
//
// Records are printed as "topic partition offset key:value", what `insist` sent as
// "delivered PARTITION OFFSET VALUE" or "failed VALUE REASON". Any other failure ends it with status 1.
'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { createRequire } = require('node:module')

// The library lies where tools/setup put it.
const folder = process.env.KAFKAJS_FOLDER || path.join(__dirname, '../../../.setup/kafkajs')
const load = createRequire(path.join(folder, 'package.json'))
const { CompressionTypes, Kafka, Partitioners, logLevel } = load('kafkajs')

const ACKS = { all: -1, 1: 1, 0: 0 }
const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }

function client(bootstrap, retry) {
  return new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry })
}

/** Runs `use` between connecting and disconnecting. */
async function using(part, use) {
  await part.connect()
  try {
    return await use(part)
  } finally {
    await part.disconnect()
  }
}

async function create(bootstrap, partitions, ...topics) {
  const wanted = topics.map((topic) => ({ topic, numPartitions: Number(partitions), replicationFactor: 1 }))
  await using(client(bootstrap).admin(), (admin) => admin.createTopics({ topics: wanted }))
}

async function produce(bootstrap, file, ...jobs) {
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n')
  const messages = lines.map((line) => {
    const colon = line.indexOf(':')
    return { key: line.slice(0, colon), value: line.slice(colon + 1) }
  })
  const producer = client(bootstrap).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await using(producer, async () => {
    for (const job of jobs) {
      const [topic, acks, codec] = job.split(',')
      await producer.send({ topic, messages, acks: ACKS[acks], compression: CODECS[codec] })
    }
  })
}

/** Reads and prints `count` records; the offsets behind the last ones. */
async function read(consumer, count) {
  const next = new Map()
  let left = Number(count)
  await new Promise((done, failed) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error))
    const eachMessage = async ({ topic, partition, message }) => {
      if (left === 0) return
      console.log(`${topic} ${partition} ${message.offset} ${message.key}:${message.value}`)
      next.set(partition, { topic, partition, offset: String(BigInt(message.offset) + 1n) })
      left -= 1
      if (left === 0) done()
    }
    consumer.run({ autoCommit: false, eachMessage }).catch(failed)
  })
  return [...next.values()]
}

async function group(bootstrap, groupId, count, topic) {
  const consumer = client(bootstrap).consumer({ groupId })
  await using(consumer, async () => {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.commitOffsets(await read(consumer, count))
  })
}

/** KafkaJS has no consumer without a group: one that commits nothing reads from the beginning. */
async function consume(bootstrap, count, ...topics) {
  for (const topic of topics) {
    const consumer = client(bootstrap).consumer({ groupId: `reader-of-${topic}` })
    await using(consumer, async () => {
      await consumer.subscribe({ topic, fromBeginning: true })
      await read(consumer, count)
    })
  }
}

async function insist(bootstrap, topic, count, retries) {
  const idempotent = Number(retries) < 0
  const patient = { retries: Number.MAX_SAFE_INTEGER, maxRetryTime: 1000 }
  const retry = idempotent ? patient : { retries: Number(retries) }
  const settings = { idempotent, createPartitioner: Partitioners.DefaultPartitioner }
  const producer = client(bootstrap, retry).producer(settings)
  await using(producer, async () => {
    for (let at = 0; at < Number(count); at++) {
      try {
        const [told] = await producer.send({ topic, messages: [{ key: `key-${at}`, value: `${at}` }] })
        console.log(`delivered ${told.partition} ${told.baseOffset} ${at}`)
      } catch (error) {
        console.log(`failed ${at} ${error.name}: ${error.message}`)
      }
    }
  })
}

const [command, ...rest] = process.argv.slice(2)
const commands = { create, produce, consume, group, insist }
if (!(command in commands)) {
  console.error(`client.js: no command ${command}`)
  process.exit(1)
}
commands[command](...rest).catch((error) => {
  console.error(error)
  process.exit(1)
})
