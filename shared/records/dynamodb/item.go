package dynamodb

import (
	"hash/fnv"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

type item = map[string]types.AttributeValue

// shards is over how many partitions of the index a space is spread: each takes a
// thousand writes a second, and costs Due one query. Changing it needs an index anew.
const shards = 4

// shard is the partition of the index in which a record of the space is listed.
func shard(space string, n byte) types.AttributeValue { return binary(string(n) + space) }

func shardOf(k records.Key) types.AttributeValue {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.ID))
	return shard(k.Space, '0'+byte(h.Sum32()%shards))
}

func key(k records.Key) item { return item{"s": binary("r" + k.Space), "i": binary(k.ID)} }

func itemOf(r records.Record) item {
	it := key(r.Key)
	it["v"] = number(r.Version)
	it["b"] = binary(string(r.Value))
	if !r.Due.IsZero() {
		it["d"], it["x"] = integer(max(r.Due.UnixMilli(), 1)), shardOf(r.Key)
	}
	if !r.Expires.IsZero() {
		it["t"] = integer(max(r.Expires.Unix(), 1))
	}
	return it
}

func recordOf(it item) (records.Record, error) {
	k, err := keyOf(it)
	if err != nil {
		return records.Record{}, err
	}
	r := records.Record{Key: k}
	version, err := intOf(it, "v")
	b, ok := it["b"].(*types.AttributeValueMemberB)
	if err != nil || !ok {
		return r, kinds.Errorf(kinds.Corrupt, "records: an item of %s is no record", k.Space)
	}
	r.Version, r.Value = uint64(version), b.Value
	if d, err := intOf(it, "d"); err == nil {
		r.Due = time.UnixMilli(d)
	}
	if t, err := intOf(it, "t"); err == nil {
		r.Expires = time.Unix(t, 0)
	}
	return r, nil
}

func keyOf(it item) (records.Key, error) {
	s, ok := it["s"].(*types.AttributeValueMemberB)
	i, ok2 := it["i"].(*types.AttributeValueMemberB)
	if !ok || !ok2 || len(s.Value) == 0 {
		return records.Key{}, kinds.Errorf(kinds.Corrupt, "records: an item without its key")
	}
	return records.Key{Space: string(s.Value[1:]), ID: string(i.Value)}, nil
}

// intOf reads a number, Corrupt when there is none.
func intOf(it item, name string) (int64, error) {
	if n, ok := it[name].(*types.AttributeValueMemberN); ok {
		if n, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, kinds.Errorf(kinds.Corrupt, "records: an item without %s", name)
}

// sameTime tells whether both have the same time under the name, or neither has one.
func sameTime(a, b item, name string) bool {
	n, errA := intOf(a, name)
	m, errB := intOf(b, name)
	return n == m && (errA == nil) == (errB == nil)
}
