/** The part of des.js that is used; the package has no types. */
declare module 'des.js' {
  interface Cipher {
    update(data: number[]): number[];
    final(): number[];
  }
  const des: {
    DES: {
      create(options: { type: 'encrypt' | 'decrypt'; key: number[]; padding: boolean }): Cipher;
    };
  };
  export default des;
}
