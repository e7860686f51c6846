export const PACKAGE_FOLDER: string;
export const PACKAGE_EXECUTABLE: string;
/** Builds and packages the app; gives the path of its executable. */
export function packageApp(): Promise<string>;
