package resolver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// The log of a store is a row of files, log-00000001 and so on, and all that the
// store holds is in them. A batch is one frame, appended and followed by one
// fsync: it is there whole, or it is not there.
//
//	frame:  checksum u32 | length of the records u32 | number u64 | store u64 | records
//	record: checksum u32 | kind u8 | flags u8 | length of key u16 | length of value u32 | revision i64 | key | value
//
// Both checksums cover, besides what they precede, the store's random number,
// the file's and the offset in it: bytes that were valid elsewhere or earlier are
// not valid here. All numbers are little-endian.
const (
	frameHeader  = 24
	recordHeader = 20
	segmentBytes = 64 << 20
	maxFrame     = 1 << 30
)

type kind uint8

const (
	kindAccount kind = 1 // an account's JWT and revision
	kindGone    kind = 2 // the account is not held any more
	kindRefusal kind = 3 // a Refusal as JSON; none when withdrawn
	kindMeta    kind = 4 // one of the small values that are kept in memory
	kindApplied kind = 5 // the revision is the applied one
)

const flagProvisional = 1 // a peer's word, not control's

// errDamaged is what is wrapped by every sign that a file is not what was written.
var errDamaged = errors.New("the store's files are damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type record struct {
	kind     kind
	flags    uint8
	revision Revision
	key      string
	value    []byte
}

func (r record) size() int { return recordHeader + len(r.key) + len(r.value) }

// place is where something is written.
type place struct {
	store   uint64
	segment uint32
	offset  uint32
}

func (p place) checksum(b []byte) uint32 {
	var seed [16]byte
	binary.LittleEndian.PutUint64(seed[:], p.store)
	binary.LittleEndian.PutUint32(seed[8:], p.segment)
	binary.LittleEndian.PutUint32(seed[12:], p.offset)
	return crc32.Update(crc32.Update(0, castagnoli, seed[:]), castagnoli, b)
}

func (p place) at(offset int) place { p.offset += uint32(offset); return p }

func appendRecord(b []byte, r record, at place) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, byte(r.kind), r.flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.value)))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.revision))
	b = append(append(b, r.key...), r.value...)
	binary.LittleEndian.PutUint32(b[start:], at.checksum(b[start+4:]))
	return b
}

// decodeRecord reads the record that b begins with; its value is a part of b.
func decodeRecord(b []byte, at place) (record, error) {
	if len(b) < recordHeader {
		return record{}, fmt.Errorf("%w: half a record", errDamaged)
	}
	key, value := int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint32(b[8:]))
	size := recordHeader + key + value
	if size > len(b) || at.checksum(b[4:size]) != binary.LittleEndian.Uint32(b) {
		return record{}, fmt.Errorf("%w: a record's checksum is wrong", errDamaged)
	}
	return record{
		kind: kind(b[4]), flags: b[5], revision: Revision(binary.LittleEndian.Uint64(b[12:])),
		key: string(b[recordHeader : recordHeader+key]), value: b[recordHeader+key : size],
	}, nil
}

func encodeFrame(records []record, number uint64, at place) []byte {
	size := frameHeader
	for _, r := range records {
		size += r.size()
	}
	b := make([]byte, frameHeader, size)
	binary.LittleEndian.PutUint32(b[4:], uint32(size-frameHeader))
	binary.LittleEndian.PutUint64(b[8:], number)
	binary.LittleEndian.PutUint64(b[16:], at.store)
	for _, r := range records {
		b = appendRecord(b, r, at.at(len(b)))
	}
	binary.LittleEndian.PutUint32(b, at.checksum(b[4:]))
	return b
}

// segment is one file of the log.
type segment struct {
	number uint32
	file   *os.File
	end    int64 // what is durable; whatever lies behind it is a failed write's
	live   int64 // bytes of the accounts' records that are current
	torn   bool  // something does lie behind it
}

func segmentPath(dir string, number uint32) string {
	return filepath.Join(dir, fmt.Sprintf("log-%08d", number))
}

func openSegment(dir string, number uint32, flags int) (*segment, error) {
	f, err := os.OpenFile(segmentPath(dir, number), os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segment{number: number, file: f, end: info.Size()}, nil
}

// frames calls take with the records of each frame from offset on, and returns
// where the first one begins that is not whole, which is the segment's end if
// all are; err is take's.
func (s *segment) frames(store uint64, from int64, take func(number uint64, records []record, at []place) error) (end int64, err error) {
	header := make([]byte, frameHeader)
	for end = from; ; {
		if _, err := s.file.ReadAt(header, end); err != nil {
			return end, nil
		}
		size := int64(binary.LittleEndian.Uint32(header[4:]))
		if size > maxFrame || end+frameHeader+size > s.end || binary.LittleEndian.Uint64(header[16:]) != store {
			return end, nil
		}
		frame := make([]byte, frameHeader+size)
		if _, err := s.file.ReadAt(frame, end); err != nil {
			return end, nil
		}
		at := place{store, s.number, uint32(end)}
		if at.checksum(frame[4:]) != binary.LittleEndian.Uint32(frame) {
			return end, nil
		}
		records, places, err := split(frame, at)
		if err != nil {
			return end, nil
		}
		if err := take(binary.LittleEndian.Uint64(frame[8:]), records, places); err != nil {
			return end, err
		}
		end += int64(len(frame))
	}
}

func split(frame []byte, at place) (records []record, places []place, err error) {
	for offset := frameHeader; offset < len(frame); {
		r, err := decodeRecord(frame[offset:], at.at(offset))
		if err != nil {
			return nil, nil, err
		}
		records, places = append(records, r), append(places, at.at(offset))
		offset += r.size()
	}
	return records, places, nil
}
