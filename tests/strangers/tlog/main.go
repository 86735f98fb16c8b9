// Reads a record with Go's public client of transparency logs (golang.org/x/mod/sumdb: note and tlog), which knows nothing of
// Countersign: only the paths of tiles and bundles, and the text of a receipt, are read here, as C2SP describes them
// (https://c2sp.org/tlog-tiles, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-proof).
//
// go run main.go RECORD VKEY [--old CHECKPOINT]… [--receipt FILE]…
//
// RECORD is the folder of a record, as it lies or as it was downloaded, VKEY the log's public key. It prints what held, or says what
// does not and ends with 1. It writes nothing.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The height of a tile, and its width.
const (
	height = 8
	width  = 1 << height
)

// A tree that was signed.
type head struct {
	size int64
	root tlog.Hash
}

// The files of a record.
type folder string

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) < 2 || len(words)%2 != 0 {
		return fmt.Errorf("usage: RECORD VKEY [--old CHECKPOINT]... [--receipt FILE]...")
	}
	files, vkey := folder(words[0]), words[1]
	signed, err := files.read("checkpoint")
	if err != nil {
		return err
	}
	now, err := open(signed, vkey)
	if err != nil {
		return fmt.Errorf("checkpoint: %v", err)
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: now.size, Hash: now.root}, files)
	if err := files.checkEntries(now, hashes); err != nil {
		return err
	}
	for pair := words[2:]; len(pair) > 0; pair = pair[2:] {
		text, err := os.ReadFile(pair[1])
		if err != nil {
			return err
		}
		switch pair[0] {
		case "--old":
			err = checkOld(text, vkey, now, hashes)
		case "--receipt":
			err = files.checkReceipt(text, vkey, now)
		default:
			err = fmt.Errorf("not known")
		}
		if err != nil {
			return fmt.Errorf("%s %s: %v", pair[0], pair[1], err)
		}
	}
	fmt.Printf("%d entries, %d more files hold\n", now.size, len(words)/2-1)
	return nil
}

// Opens a checkpoint that the log has signed.
func open(signed []byte, vkey string) (head, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return head{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return head{}, err
	}
	lines := strings.SplitN(opened.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return head{}, fmt.Errorf("it is none of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 {
		return head{}, fmt.Errorf("its size is %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	return head{size, root}, err
}

// Each entry is in the tree of the checkpoint, by a proof, and all of them together make it.
func (f folder) checkEntries(now head, hashes tlog.HashReader) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var list []tlog.Hash
		for _, index := range indexes {
			list = append(list, stored[index])
		}
		return list, nil
	})
	for index := int64(0); index < now.size; index++ {
		entry, err := f.entry(index, now.size)
		if err != nil {
			return fmt.Errorf("entry %d: %v", index, err)
		}
		proof, err := tlog.ProveRecord(now.size, index, hashes)
		if err != nil {
			return fmt.Errorf("entry %d: %v", index, err)
		}
		if err := tlog.CheckRecord(proof, now.size, now.root, index, tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("entry %d: %v", index, err)
		}
		more, err := tlog.StoredHashes(index, entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(now.size, reader)
	if err != nil {
		return err
	}
	if root != now.root {
		return fmt.Errorf("the entries have another root than the checkpoint")
	}
	return nil
}

// The tree of a checkpoint from before is the beginning of the one there is now.
func checkOld(signed []byte, vkey string, now head, hashes tlog.HashReader) error {
	old, err := open(signed, vkey)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(now.size, old.size, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, now.size, now.root, old.size, old.root)
}

// A receipt proves that its entry is in the tree of its own checkpoint.
func (f folder) checkReceipt(text []byte, vkey string, now head) error {
	text, signed, found := bytes.Cut(text, []byte("\n\n"))
	if !found {
		return fmt.Errorf("it has no blank line")
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("its first line is %q", lines[0])
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	under, err := open(signed, vkey)
	if err != nil {
		return err
	}
	entry, err := f.entry(index, now.size)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, under.size, under.root, index, tlog.RecordHash(entry))
}

// One entry, from its bundle: each is a length of two bytes, the most significant first, and so many bytes.
func (f folder) entry(index, size int64) ([]byte, error) {
	number, wide := index/width, int64(width)
	if left := size - number*width; left < wide {
		wide = left
	}
	bundle, err := f.read(path("entries", number, int(wide)))
	if err != nil {
		return nil, err
	}
	for at := int64(0); len(bundle) >= 2; at++ {
		length := int(binary.BigEndian.Uint16(bundle))
		if len(bundle) < 2+length {
			break
		}
		if at == index%width {
			return bundle[2 : 2+length], nil
		}
		bundle = bundle[2+length:]
	}
	return nil, fmt.Errorf("its bundle ends before it")
}

// The path of a tile or bundle: its number in threes, all but the last after an x; and how wide it is, if it is not full.
func path(level string, number int64, wide int) string {
	name := fmt.Sprintf("%03d", number%1000)
	for number >= 1000 {
		number /= 1000
		name = fmt.Sprintf("x%03d/%s", number%1000, name)
	}
	if wide < width {
		name = fmt.Sprintf("%s.p/%d", name, wide)
	}
	return "tile/" + level + "/" + name
}

func (f folder) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(name)))
}

// Height is that of every tile.
func (f folder) Height() int { return height }

// ReadTiles reads tiles from where C2SP has them.
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var list [][]byte
	for _, tile := range tiles {
		if tile.H != height || tile.L < 0 {
			return nil, fmt.Errorf("no tile of this log: %v", tile)
		}
		bytes, err := f.read(path(strconv.Itoa(tile.L), tile.N, tile.W))
		if err != nil {
			return nil, err
		}
		if len(bytes) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", tile.Path(), len(bytes))
		}
		list = append(list, bytes)
	}
	return list, nil
}

// SaveTiles keeps nothing.
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
