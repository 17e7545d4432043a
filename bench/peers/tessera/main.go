// Command tessera appends 32-byte entries to a Tessera POSIX log as fast as it takes them, and tells how fast that was.
//
// It is a yardstick for the anchor: the same tlog-tiles files, durable, and nothing verified. An entry counts once a
// published checkpoint covers it, as a statement counts once it has its receipt. One line of JSON on stdout.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

type options struct {
	dir      string
	entries  int
	inFlight int
	batch    uint
	age      time.Duration
}

type result struct {
	Entries int     `json:"entries"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpuS"`
	P50     float64 `json:"p50Ms"`
	P99     float64 `json:"p99Ms"`
	P999    float64 `json:"p999Ms"`
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "empty directory for the log")
	flag.IntVar(&o.entries, "entries", 100_000, "entries to append")
	flag.IntVar(&o.inFlight, "in-flight", 4096, "entries on their way at a time")
	flag.UintVar(&o.batch, "batch", tessera.DefaultBatchMaxSize, "entries in a batch")
	flag.DurationVar(&o.age, "age", tessera.DefaultBatchMaxAge, "longest wait for a batch to fill")
	flag.Parse()
	r, err := run(context.Background(), o)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (result, error) {
	key, _, err := note.GenerateKey(rand.Reader, "bench.example/tessera")
	if err != nil {
		return result{}, err
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		return result{}, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: o.dir})
	if err != nil {
		return result{}, err
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(100*time.Millisecond).
		WithBatching(o.batch, o.age).
		WithPushback(uint(2*o.inFlight)))
	if err != nil {
		return result{}, err
	}
	watched, cancel := context.WithCancel(ctx)
	defer cancel()
	awaiter := tessera.NewPublicationAwaiter(watched, reader.ReadCheckpoint, 10*time.Millisecond)
	latencies := make([]time.Duration, o.entries)
	var next atomic.Int64
	failed := make(chan error, o.inFlight)
	var workers sync.WaitGroup
	start := time.Now()
	for range o.inFlight {
		workers.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= o.entries {
					return
				}
				var number [8]byte
				binary.BigEndian.PutUint64(number[:], uint64(i))
				entry := sha256.Sum256(number[:])
				sent := time.Now()
				if _, _, err := awaiter.Await(ctx, appender.Add(ctx, tessera.NewEntry(entry[:]))); err != nil {
					failed <- err
					return
				}
				latencies[i] = time.Since(sent)
			}
		})
	}
	workers.Wait()
	seconds := time.Since(start).Seconds()
	close(failed)
	if err := <-failed; err != nil {
		return result{}, err
	}
	cancel()
	if err := shutdown(ctx); err != nil {
		return result{}, err
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return result{}, err
	}
	slices.Sort(latencies)
	at := func(part float64) float64 {
		return float64(latencies[int(part*float64(len(latencies)-1))].Microseconds()) / 1000
	}
	return result{
		Entries: o.entries,
		Seconds: seconds,
		CPU:     time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds(),
		P50:     at(0.5),
		P99:     at(0.99),
		P999:    at(0.999),
	}, nil
}
