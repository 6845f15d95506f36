// A plain program over franz-go, for the client tests.
//
// Usage: franz-go COMMAND BOOTSTRAP ...
//
//	create BOOTSTRAP PARTITIONS TOPIC...
//	produce BOOTSTRAP FILE TOPIC,ACKS,CODEC...    FILE holds one "key:value" a line; all must be acknowledged
//	consume BOOTSTRAP COUNT TOPIC...              COUNT records of each topic, from the beginning
//	group BOOTSTRAP GROUP COUNT TOPIC             COUNT records as a member of GROUP, then a commit of what was read
//	insist BOOTSTRAP TOPIC COUNT RETRIES          COUNT records, each retried at most RETRIES times (-1: as the library does)
//
// Records are printed as "topic partition offset key:value", what `insist` sent as
// "delivered PARTITION OFFSET VALUE" or "failed VALUE REASON". Any other failure ends it with status 1.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const limit = 90 * time.Second

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}

func must(what string, err error) {
	if err != nil {
		fail(what, err)
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	must("a number is needed", err)
	return value
}

func connect(bootstrap string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap))...)
	must("client", err)
	return client
}

func create(ctx context.Context, bootstrap string, partitions int, topics []string) {
	client := connect(bootstrap)
	defer client.Close()
	request := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range topics {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), 1
		request.Topics = append(request.Topics, topic)
	}
	answer, err := request.RequestWith(ctx, client)
	must("create", err)
	for _, topic := range answer.Topics {
		must(topic.Topic, kerr.ErrorForCode(topic.ErrorCode))
	}
}

func produce(ctx context.Context, bootstrap, path, job string) {
	words := strings.Split(job, ",")
	topic, acks := words[0], words[1]
	options := []kgo.Opt{kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codecs[words[2]])}
	switch acks {
	case "1":
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		options = append(options, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	}
	client := connect(bootstrap, options...)
	defer client.Close()
	file, err := os.Open(path)
	must("records", err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		record := &kgo.Record{Key: []byte(key), Value: []byte(value)}
		client.Produce(ctx, record, func(record *kgo.Record, err error) { must(topic, err) })
	}
	must("records", lines.Err())
	must(topic, client.Flush(ctx))
}

func read(ctx context.Context, client *kgo.Client, count int) []*kgo.Record {
	var records []*kgo.Record
	for len(records) < count {
		fetches := client.PollRecords(ctx, count-len(records))
		must("fetch", fetches.Err())
		records = append(records, fetches.Records()...)
	}
	for _, r := range records {
		fmt.Printf("%s %d %d %s:%s\n", r.Topic, r.Partition, r.Offset, r.Key, r.Value)
	}
	return records
}

func consume(ctx context.Context, bootstrap string, count int, topic string) {
	start := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
	client := connect(bootstrap, kgo.ConsumeTopics(topic), start)
	defer client.Close()
	read(ctx, client, count)
}

func group(ctx context.Context, bootstrap, name string, count int, topic string) {
	start := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
	client := connect(bootstrap, kgo.ConsumerGroup(name), kgo.ConsumeTopics(topic), start,
		kgo.DisableAutoCommit())
	defer client.Close()
	must("commit", client.CommitRecords(ctx, read(ctx, client, count)...))
}

func insist(ctx context.Context, bootstrap, topic string, count, retries int) {
	options := []kgo.Opt{kgo.DefaultProduceTopic(topic)}
	if 0 <= retries {
		options = append(options, kgo.RecordRetries(retries))
	}
	client := connect(bootstrap, options...)
	defer client.Close()
	var ended sync.WaitGroup
	for at := range count {
		value := strconv.Itoa(at)
		ended.Add(1)
		record := &kgo.Record{Key: []byte("key-" + value), Value: []byte(value)}
		client.Produce(ctx, record, func(record *kgo.Record, err error) {
			if err != nil {
				fmt.Println("failed", value, err)
			} else {
				fmt.Println("delivered", record.Partition, record.Offset, value)
			}
			ended.Done()
		})
	}
	ended.Wait()
}

func main() {
	words := os.Args[1:]
	if len(words) < 3 {
		fail("usage", fmt.Errorf("franz-go COMMAND BOOTSTRAP ..."))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command, bootstrap, rest := words[0], words[1], words[2:]
	switch command {
	case "create":
		create(ctx, bootstrap, number(rest[0]), rest[1:])
	case "produce":
		for _, job := range rest[1:] {
			produce(ctx, bootstrap, rest[0], job)
		}
	case "consume":
		for _, topic := range rest[1:] {
			consume(ctx, bootstrap, number(rest[0]), topic)
		}
	case "group":
		group(ctx, bootstrap, rest[0], number(rest[1]), rest[2])
	case "insist":
		insist(ctx, bootstrap, rest[0], number(rest[1]), number(rest[2]))
	default:
		fail("usage", fmt.Errorf("no command %q", command))
	}
}
