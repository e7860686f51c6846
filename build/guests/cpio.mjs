// Writes a cpio archive in the "newc" format, as the kernel reads an initramfs
// (Linux Documentation/driver-api/early-userspace/buffer-format.rst). No root needed for device nodes.

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;

const padTo4 = (bytes) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);

export class CpioWriter {
  #parts = [];
  #inode = 1;

  folder(name) {
    return this.#add(name, S_IFDIR | 0o755);
  }

  file(name, content, mode = 0o644) {
    return this.#add(name, S_IFREG | mode, Buffer.from(content));
  }

  link(name, target) {
    return this.#add(name, S_IFLNK | 0o777, Buffer.from(target));
  }

  characterDevice(name, major, minor, mode = 0o600) {
    return this.#add(name, S_IFCHR | mode, Buffer.alloc(0), major, minor);
  }

  bytes() {
    this.#add('TRAILER!!!', 0);
    return Buffer.concat(this.#parts);
  }

  #add(name, mode, content = Buffer.alloc(0), major = 0, minor = 0) {
    const nameBytes = Buffer.from(`${name}\0`);
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [
      this.#inode++,
      mode,
      0,
      0,
      1,
      0,
      content.length,
      0,
      0,
      major,
      minor,
      nameBytes.length,
      0,
    ];
    const header = Buffer.from(
      `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`,
    );
    this.#parts.push(padTo4(Buffer.concat([header, nameBytes])), padTo4(content));
    return this;
  }
}
